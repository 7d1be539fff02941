"""`error_context` and the plain JSON answer, beside those of the middleware they are known from."""

import json
from typing import Any

import aiohttp_middlewares.error as peer
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from routeguard import ErrorContext, default_error_handler, error_context, get_error_response
from tests.support.requests import Described, a_request


async def context_of(error: Exception) -> ErrorContext:
    seen: list[ErrorContext] = []

    async def note(request: web.Request) -> web.Response:
        with error_context(request) as context:
            seen.append(context)
        return web.Response()

    await get_error_response(a_request(), error, default_handler=note)
    return seen[0]


def body_of(response: web.StreamResponse) -> Any:
    assert isinstance(response, web.Response)
    assert response.content_type == "application/json"
    assert response.text is not None
    return json.loads(response.text)


def test_without_an_error_the_context_says_so() -> None:
    with error_context(a_request()) as context:
        assert "no error" in context.message
        assert context.status == 500
        assert context.data == {"detail": context.message}


def test_what_the_block_raises_is_not_swallowed() -> None:
    with (
        pytest.raises(KeyError),
        error_context(a_request()),
    ):
        raise KeyError("mine")


class Unhelpful(Exception):
    def __str__(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("error", "message", "status", "data"),
    [
        (ValueError("wrong value"), "wrong value", 500, None),
        (KeyError("key"), "'key'", 500, None),
        (Unhelpful(), "", 500, None),
        (web.HTTPNotFound(), "Not Found", 404, None),
        (web.HTTPNotFound(reason="No such report"), "No such report", 404, None),
        (TimeoutError("late"), "late", 504, None),
        (Described("text", message="told"), "told", 500, None),
        (Described("text", message=""), "text", 500, None),
        (Described("text", message=b"bytes"), "text", 500, None),
        (Described("text", message=None), "text", 500, None),
        (Described("text", message=["list"]), "text", 500, None),
        (Described("text", data={"code": 7}), "text", 500, {"code": 7}),
        (Described("text", data={}), "text", 500, None),
        (Described("text", data=None), "text", 500, None),
        (Described("text", data=[1, 2]), "text", 500, None),
        (Described("text", data="data"), "text", 500, None),
        (Described("text", data=7), "text", 500, None),
        (Described("text", status=418), "text", 418, None),
        (Described("text", status="418"), "text", 500, None),
        (Described("text", status=200), "text", 500, None),
        (Described("a", message="b", status=422, data={"f": "x"}), "b", 422, {"f": "x"}),
    ],
    ids=repr,
)
async def test_message_status_and_data_of_an_error(
    error: Exception, message: str, status: int, data: dict[str, object] | None
) -> None:
    context = await context_of(error)
    assert context.err is error
    assert context.message == message
    assert context.status == status
    assert context.data == ({"detail": message} if data is None else data)


# --- the same JSON as before ----------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=()), max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
described = st.builds(
    lambda text, attributes: Described(text, **attributes),
    texts,
    st.fixed_dictionaries(
        {},
        optional={
            "message": texts,
            "status": st.integers(400, 599),
            "data": st.dictionaries(texts, json_values, max_size=4),
        },
    ),
)
plain = st.builds(lambda kind, text: kind(text), st.sampled_from([ValueError, KeyError]), texts)


async def both_answers(error: Exception) -> list[tuple[int, Any]]:
    answers = [
        await get_error_response(a_request(), error),
        await peer.get_error_response(a_request(), error),
    ]
    return [(answer.status, body_of(answer)) for answer in answers]


@given(error=described | plain)
@pytest.mark.filterwarnings("ignore")
async def test_the_same_json_as_aiohttp_middlewares(error: Exception) -> None:
    ours, theirs = await both_answers(error)
    assert ours == theirs


@pytest.mark.parametrize(
    "error",
    [web.HTTPNotFound(), web.HTTPMethodNotAllowed("GET", ["POST"]), web.HTTPBadGateway(text="up")],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore")
async def test_the_same_json_for_http_exceptions(error: web.HTTPException) -> None:
    ours, theirs = await both_answers(error)
    assert ours == theirs


async def test_values_that_json_does_not_know_are_shown_as_text() -> None:
    error = Described("text", data={"when": frozenset({1}), "id": 7})
    assert body_of(await get_error_response(a_request(), error)) == {
        "when": "frozenset({1})",
        "id": 7,
    }


async def test_the_answer_for_no_error_is_a_500() -> None:
    answer = await default_error_handler(a_request())
    assert answer.status == 500
