"""Exceptions of aiohttp's client tell of another server's answer: their status is never ours."""

import inspect
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from routeguard import default_error_handler, error_context, errors, problem_details
from tests.support.requests import a_request

SECRET = "https://ledger.internal/accounts?token=hunter2"


def client_exceptions() -> Iterator[type[aiohttp.ClientError]]:
    for _, value in inspect.getmembers(aiohttp, inspect.isclass):
        if issubclass(value, aiohttp.ClientError):
            yield value


def told_by_another_server(kind: type[aiohttp.ClientError], status: int) -> aiohttp.ClientError:
    """An exception of that class, with the status that aiohttp's client gives some of them."""
    if issubclass(kind, aiohttp.ClientResponseError):
        url = URL(SECRET)
        info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
        return kind(info, (), status=status, message="Not Found")
    # The others are of many shapes; here they need only a text and a status.
    shaped: dict[str, Any] = {
        "__init__": lambda self: None,
        "__str__": lambda self: SECRET,
        "status": status,
    }
    made: aiohttp.ClientError = type(kind.__name__, (kind,), shaped)()
    return made


KINDS = sorted(client_exceptions(), key=lambda kind: kind.__name__)


def test_there_are_client_exceptions() -> None:
    assert {aiohttp.ClientResponseError, aiohttp.ContentTypeError} <= set(KINDS)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 502, 599])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_the_status_is_not_ours(kind: type[aiohttp.ClientError], status: int) -> None:
    error = told_by_another_server(kind, status)
    assert getattr(error, "status", None) == status
    expected = 504 if issubclass(kind, TimeoutError) else 500
    assert errors().resolve(error) == (error, expected, default_error_handler)
    seen = []

    async def see(request: web.Request) -> web.Response:
        with error_context(request) as context:
            seen.append(context.status)
        return web.Response(status=418)

    await errors(see).answer(a_request(), error, "here")
    assert seen == [expected]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_nor_is_its_text_meant_for_clients(kind: type[aiohttp.ClientError]) -> None:
    error = told_by_another_server(kind, 404)
    answer: Any = await errors(problem_details).answer(a_request(), error, "here")
    assert "ledger" not in answer.text and "Not Found" not in answer.text
    assert "detail" not in answer.text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_on_names_a_status_for_them(kind: type[aiohttp.ClientError]) -> None:
    error = told_by_another_server(kind, 404)
    policy = errors(on={aiohttp.ClientError: 502})
    assert policy.resolve(error) == (error, 502, default_error_handler)
    group = ExceptionGroup("g", [error])
    assert policy.resolve(group) == (error, 502, default_error_handler)


def test_a_mapped_handler_is_told_no_foreign_status() -> None:
    async def upstream_failed(request: web.Request) -> web.Response:
        return web.Response(status=502)

    error = told_by_another_server(aiohttp.ClientResponseError, 404)
    policy = errors(on={aiohttp.ClientError: upstream_failed})
    assert policy.resolve(error) == (error, 500, upstream_failed)


def test_a_users_subclass_is_an_exception_of_the_client() -> None:
    class LedgerError(aiohttp.ClientResponseError):
        pass

    assert errors().resolve(told_by_another_server(LedgerError, 404))[1] == 500
