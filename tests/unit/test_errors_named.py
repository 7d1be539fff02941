"""`errors(None, on=…)`: what `on` names is answered, and the rest is left alone."""

from typing import Any

import pytest
from aiohttp import web

from routeguard import ConfigError, errors, get_error_response
from tests.support.requests import a_request


async def missing(request: web.Request) -> web.Response:
    return web.Response(status=404, text="missing")


async def broken(request: web.Request, error: Exception) -> web.Response:
    return web.Response(status=503, text=type(error).__name__)


NAMED = errors(None, on={KeyError: missing, (FileNotFoundError, web.HTTPGone): broken})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyError("x"), 404),
        (FileNotFoundError(), 503),
        (web.HTTPGone(), 503),
        (ExceptionGroup("g", [KeyError("x"), KeyError("y")]), 404),
    ],
    ids=repr,
)
async def test_what_on_names_is_answered(error: Exception, status: int) -> None:
    answer = await NAMED.answer(a_request(), error, "here")
    assert answer.status == status


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        TimeoutError(),
        web.HTTPNotFound(),
        web.HTTPInternalServerError(),
        web.HTTPFound("/"),
        ExceptionGroup("g", [KeyError("x"), ValueError()]),
        ExceptionGroup("g", [ValueError()]),
    ],
    ids=repr,
)
async def test_the_rest_is_raised_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert NAMED.resolve(error)[2] is None
    with pytest.raises(type(error)) as raised:
        await NAMED.answer(a_request(), error, "here")
    assert raised.value is error
    assert caplog.records == []


async def test_ignore_wins_over_on() -> None:
    policy = errors(None, on={LookupError: missing}, ignore=KeyError)
    assert (await policy.answer(a_request(), IndexError(), "here")).status == 404
    with pytest.raises(KeyError):
        await policy.answer(a_request(), KeyError("x"), "here")


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ({KeyError: 404}, "no handler answers with 404"),
        ({KeyError: missing, OSError: 503}, "no handler answers with 503"),
        ({}, "on names nothing"),
        (None, "on names nothing"),
    ],
    ids=str,
)
def test_what_nothing_answers_is_refused(on: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        errors(None, on=on)
    assert len(refused.value.faults) == 1
    assert "write" in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        errors(None, on={KeyError: 404, OSError: 200, 5: missing}, ignore=int)  # type: ignore[arg-type, dict-item]
    assert len(refused.value.faults) == 4


def test_it_is_a_value_that_reads_like_the_call() -> None:
    again = errors(None, on={KeyError: missing, FileNotFoundError: broken, web.HTTPGone: broken})
    assert again == NAMED and hash(NAMED) == hash(again)
    assert errors(on={KeyError: missing, FileNotFoundError: broken, web.HTTPGone: broken}) != NAMED
    assert repr(errors(None, on={KeyError: missing})) == "errors(None, on={KeyError: missing})"


async def test_code_that_catches_by_itself_needs_a_handler() -> None:
    with pytest.raises(ConfigError, match="no error handler"):
        await get_error_response(a_request(), KeyError(), default_handler=None)  # type: ignore[arg-type]
