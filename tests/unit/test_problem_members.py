"""What a problem tells: the members of RFC 9457, and nothing of an error that was not meant."""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web

from routeguard import (
    ConfigError,
    ErrorContext,
    HandlerTimeout,
    ProblemDetails,
    errors,
    get_error_response,
    problem_details,
)
from tests.support.requests import Described, a_request

TOO_LARGE = web.HTTPRequestEntityTooLarge(7, 8)  # which has a text of aiohttp's own
UNPROCESSABLE = HTTPStatus(422).phrase  # another one since Python 3.13
FORMS = ("application/problem+json", "text/html", "text/plain")


async def answered(
    error: Exception,
    *,
    accept: str = "application/json",
    handler: ProblemDetails = problem_details,
    on: Mapping[type[Exception], int] | None = None,
    path: str = "/reports/7",
) -> web.Response:
    policy = errors(handler, on=on)
    answer = await policy.answer(a_request(path, accept=[accept]), error, "here")
    assert isinstance(answer, web.Response)
    return answer


async def members(error: Exception, **keywords: Any) -> dict[str, Any]:
    answer = await answered(error, **keywords)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.text is not None
    problem: dict[str, Any] = json.loads(answer.text)
    assert problem["status"] == answer.status
    return problem


# --- the members ----------------------------------------------------------------------------------


async def test_a_bare_http_exception_has_nothing_to_add() -> None:
    assert await members(web.HTTPNotFound()) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "instance": "/reports/7",
    }


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (web.HTTPNotFound(text="No report 7"), "No report 7"),
        (web.HTTPNotFound(reason="No report 7"), "No report 7"),
        (web.HTTPNotFound(reason="Gone fishing", text="No report 7"), "No report 7"),
        (web.HTTPBadRequest(text="<p>x</p>", content_type="text/html"), None),
        (web.HTTPBadRequest(text='{"a": 1}', content_type="application/json"), None),
        (TOO_LARGE, TOO_LARGE.text),
        (Described("told", status=422), "told"),
        (Described("told", status=422, message="better"), "better"),
        (Described("", status=422), None),
        (HandlerTimeout(5, "start"), "the response did not start within 5 s"),
    ],
    ids=repr,
)
async def test_the_detail_is_what_a_deliberate_error_says(
    error: Exception, detail: str | None
) -> None:
    assert (await members(error)).get("detail") == detail


async def test_data_adds_extension_members() -> None:
    error = Described("told", status=422, data={"balance": 30, "accounts": ["/a/1", {"x": None}]})
    problem = await members(error)
    assert (problem["balance"], problem["accounts"]) == (30, ["/a/1", {"x": None}])
    assert (problem["title"], problem["detail"]) == (UNPROCESSABLE, "told")


async def test_data_may_name_standard_members_but_never_the_status_or_a_wrong_type() -> None:
    data = {"type": "/out-of-credit", "title": "You have no credit", "status": 200, "detail": 7}
    problem = await members(Described("told", status=403, data=data))
    assert problem["type"] == "/out-of-credit"
    assert problem["title"] == "You have no credit"
    assert problem["status"] == 403
    assert problem["detail"] == "told"


async def test_values_that_json_does_not_know_are_shown_as_text() -> None:
    problem = await members(Described("told", status=400, data={"seen": frozenset({1})}))
    assert problem["seen"] == "frozenset({1})"


@pytest.mark.parametrize("status", [419, 499, 520, 599])
async def test_a_status_without_a_phrase_has_a_title_all_the_same(status: int) -> None:
    title = (await members(Described("told", status=status)))["title"]
    assert title == ("Client Error" if status < 500 else "Server Error")


async def test_the_instance_is_the_path_as_it_was_sent_without_the_query() -> None:
    problem = await members(web.HTTPNotFound(), path="/a%20b/%2F%3F?token=secret")
    assert problem["instance"] == "/a%20b/%2F%3F"


@pytest.mark.parametrize("accept", FORMS)
async def test_every_form_has_the_status_and_says_what_it_depends_on(accept: str) -> None:
    answer = await answered(web.HTTPConflict(text="It is there already"), accept=accept)
    assert answer.status == 409
    assert answer.content_type == accept
    assert answer.headers["Vary"] == "Accept"
    assert "Cache-Control" not in answer.headers
    assert answer.text is not None and "It is there already" in answer.text


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("error", [KeyError("x"), web.HTTPBadGateway(), TimeoutError()], ids=repr)
async def test_answers_of_500_and_more_are_not_to_be_stored(error: Exception, accept: str) -> None:
    assert (await answered(error, accept=accept)).headers["Cache-Control"] == "no-store"


async def test_the_plain_text_form_has_a_line_for_each_member() -> None:
    error = Described("told", status=422, data={"field": "name", "tries": 3})
    answer = await answered(error, accept="text/plain")
    assert answer.text == f"422 {UNPROCESSABLE}\ntold\nfield: name\ntries: 3\n"


# --- types and subclasses -------------------------------------------------------------------------


async def test_types_go_by_the_most_specific_class() -> None:
    types = {Exception: "/any", LookupError: "/lookup", web.HTTPNotFound: "https://p.example/404"}
    handler = ProblemDetails(types=types)
    assert (await members(KeyError(), handler=handler))["type"] == "/lookup"
    assert (await members(OSError(), handler=handler))["type"] == "/any"
    assert (await members(web.HTTPNotFound(), handler=handler))["type"] == "https://p.example/404"
    assert (await members(web.HTTPNotFound()))["type"] == "about:blank"


async def test_a_group_has_the_type_of_the_leaf_that_is_answered() -> None:
    handler = ProblemDetails(types={KeyError: "/missing"})
    group = ExceptionGroup("g", [KeyError("a"), KeyError("b")])
    problem = await members(group, handler=handler, on={KeyError: 404})
    assert (problem["type"], problem["status"]) == ("/missing", 404)


async def test_a_subclass_adds_members_in_every_form() -> None:
    class Traced(ProblemDetails):
        def problem(
            self, request: web.Request, context: ErrorContext, *, debug: bool
        ) -> dict[str, object]:
            shown = super().problem(request, context, debug=debug)
            return {**shown, "trace-id": "4bf9", "debug": debug}

    assert (await members(KeyError(), handler=Traced()))["trace-id"] == "4bf9"
    for accept in FORMS[1:]:
        text = (await answered(KeyError(), accept=accept, handler=Traced())).text
        assert text is not None and "4bf9" in text


@pytest.mark.parametrize(
    "types",
    [{404: "/x"}, {KeyError: ""}, {KeyError: None}, {KeyError: "a b"}, {KeyError: "/ä"}, [], "x"],
    ids=repr,
)
def test_types_that_are_none_are_refused(types: Any) -> None:
    with pytest.raises(ConfigError, match="types"):
        ProblemDetails(types=types)


# --- nothing leaks --------------------------------------------------------------------------------

SECRET = "hunter2"


class Hunter2Error(Exception):
    """Its very name gives something away."""


def loaded(**attributes: object) -> Exception:
    try:
        try:
            raise Hunter2Error(SECRET)
        except Hunter2Error as cause:
            error = Hunter2Error(SECRET, {SECRET: SECRET})
            raise error from cause
    except Hunter2Error as caught:
        caught.add_note(SECRET)
        vars(caught).update(
            message=SECRET,
            data={SECRET: SECRET, "detail": SECRET, "title": SECRET},
            text=SECRET,
            body=SECRET,
            reason=SECRET,
            headers={"X-Secret": SECRET, "Set-Cookie": f"a={SECRET}"},
            cookies={SECRET: SECRET},
            **attributes,
        )
        return caught


UNEXPECTED = {
    "no status": loaded(),
    "status of another type": loaded(status="404"),
    "status of no error": loaded(status=200),
    "status beyond 599": loaded(status=600),
    "boolean status": loaded(status=True),
    "status_code only": loaded(status_code=404),
    "group": ExceptionGroup(SECRET, [loaded(), Hunter2Error(SECRET)]),
    "timeout": TimeoutError(SECRET),
    "os error": OSError(2, SECRET, SECRET),
}


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("name", UNEXPECTED)
@pytest.mark.parametrize("on", [None, {Exception: 404}, {Exception: 503}], ids=repr)
async def test_nothing_of_an_unexpected_error_is_shown(
    name: str, accept: str, on: Mapping[type[Exception], int] | None
) -> None:
    answer = await answered(UNEXPECTED[name], accept=accept, on=on)
    told = f"{answer.reason} {dict(answer.headers)} {answer.cookies} {answer.text}".lower()
    for betrayal in (SECRET, "traceback", ".py", "group", "oserror"):
        assert betrayal not in told


async def test_the_cause_of_a_deliberate_error_is_not_shown() -> None:
    error = web.HTTPBadGateway(text="The ledger does not answer")
    error.__cause__ = loaded()
    for accept in FORMS:
        answer = await answered(error, accept=accept)
        assert answer.text is not None
        assert "The ledger does not answer" in answer.text
        assert SECRET not in answer.text


# --- debug mode -----------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", FORMS)
async def test_debug_mode_shows_the_text(accept: str) -> None:
    asyncio.get_running_loop().set_debug(True)
    answer = await answered(loaded(), accept=accept)
    assert answer.text is not None
    assert SECRET in answer.text
    assert ("Traceback (most recent call last)" in answer.text) == accept.startswith("text/")


async def test_the_traceback_shows_cause_and_notes() -> None:
    asyncio.get_running_loop().set_debug(True)
    text = (await answered(loaded(), accept="text/plain")).text
    assert text is not None
    assert "direct cause" in text
    assert text.count("Hunter2Error: ") == 2
    assert f"\n{SECRET}\n" in text


async def test_get_error_response_takes_it_as_any_handler() -> None:
    answer = await get_error_response(a_request(), KeyError(), default_handler=problem_details)
    assert (answer.status, answer.content_type) == (500, "application/problem+json")
