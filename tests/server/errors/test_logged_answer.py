"""The log goes by the answer that was given, and a failure is in it once, whoever writes it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import error_context, errors, get_error_response, problem_details
from tests.support.rawhttp import PATIENCE, Reply, get, read_reply, talk

ErrorHandler = Callable[[web.Request, Exception], Awaitable[web.StreamResponse]]


def of_status(status: int) -> ErrorHandler:
    async def answering(request: web.Request, error: Exception) -> web.Response:
        return web.Response(status=status, text="answered")

    return answering


def raising(make: Callable[[], web.HTTPException]) -> ErrorHandler:
    async def answering_by_raising(request: web.Request, error: Exception) -> web.Response:
        raise make()

    return answering_by_raising


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    quiet = ("aiohttp.access", "asyncio")
    return [one for one in caplog.records if one.name not in quiet and one.levelno > logging.DEBUG]


async def asked(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], BaseException],
    *policies: routeguard.Policy,
) -> Reply:
    async def view(request: web.Request) -> web.Response:
        raise make()

    app = web.Application()
    app.router.add_get("/", view)
    routeguard.setup(app, *policies)
    server = await aiohttp_server(app)
    with caplog.at_level(logging.DEBUG):
        return read_reply(await talk(get("/"), port=server.port))


def not_json() -> Exception:
    return json.JSONDecodeError("Expecting value", "{", 1)


ANSWERS = [
    *((of_status(status), status) for status in (200, 302, 400, 422, 499, 500, 503, 599)),
    (raising(web.HTTPConflict), 409),
    (raising(web.HTTPBadGateway), 502),
    (raising(lambda: web.HTTPFound("/login")), 302),
]
RAISED = [not_json, KeyError, TimeoutError, web.HTTPNotFound, web.HTTPServiceUnavailable]


@pytest.mark.parametrize(("handler", "status"), ANSWERS)
@pytest.mark.parametrize("make", RAISED)
@pytest.mark.parametrize("where", ["handler", "on"])
async def test_500_and_above_is_logged_and_less_is_not(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    handler: ErrorHandler,
    status: int,
    where: str,
) -> None:
    policy = errors(handler) if where == "handler" else errors(None, on={type(make()): handler})
    reply = await asked(aiohttp_server, caplog, make, policy)
    assert reply.status == status
    records = logged(caplog)
    assert len(records) == (status >= 500)
    for record in records:
        assert (record.name, record.levelno) == ("routeguard.errors", logging.ERROR)
        assert record.getMessage() == f"GET / (/) failed with {status}"
        assert record.exc_info is not None and type(record.exc_info[1]) is type(make())


# --- a handler that raises the error again --------------------------------------------------------


async def again(request: web.Request, error: Exception) -> web.Response:
    raise error


async def again_bare(request: web.Request, error: Exception) -> web.Response:
    raise


async def again_from_the_context(request: web.Request) -> web.Response:
    with error_context(request) as context:
        raise context.err


async def again_after_awaiting(request: web.Request, error: Exception) -> web.Response:
    try:
        await asyncio.sleep(0)
        raise ValueError("on the way")
    except ValueError:
        raise error from None


AGAIN = [again, again_bare, again_from_the_context, again_after_awaiting]


@pytest.mark.parametrize("handler", AGAIN)
@pytest.mark.parametrize("make", [KeyError, not_json, lambda: ExceptionGroup("g", [KeyError()])])
@pytest.mark.parametrize("on", [None, {KeyError: 404}], ids=repr)
async def test_it_has_answered_nothing_and_aiohttp_alone_logs(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    handler: ErrorHandler,
    on: dict[type[Exception], int] | None,
) -> None:
    reply = await asked(aiohttp_server, caplog, make, errors(handler, on=on))
    assert reply.status == 500
    (record,) = logged(caplog)
    assert record.name == "aiohttp.server"
    assert record.exc_info is not None and type(record.exc_info[1]) is type(make())


@pytest.mark.parametrize("handler", AGAIN)
@pytest.mark.parametrize("kind", [web.HTTPNotFound, web.HTTPServiceUnavailable])
async def test_an_http_exception_raised_again_is_aiohttps_answer(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    kind: type[web.HTTPException],
    handler: ErrorHandler,
) -> None:
    reply = await asked(aiohttp_server, caplog, kind, errors(handler))
    alone = kind()
    assert (reply.status, reply.body) == (alone.status, alone.body)
    assert logged(caplog) == []


# --- a handler that asks another one --------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 503])
async def test_the_log_goes_by_the_answer_of_the_outer_handler(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    async def asking(request: web.Request, error: Exception) -> web.StreamResponse:
        answer = await get_error_response(request, error, default_handler=problem_details)
        assert answer.status == 500
        with error_context(request) as context:
            assert context.err is error
        answer.set_status(status)
        return answer

    assert (await asked(aiohttp_server, caplog, KeyError, errors(asking))).status == status
    assert len(logged(caplog)) == (status == 503)


async def test_what_that_one_raises_again_is_raised_once_more(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def asking(request: web.Request, error: Exception) -> web.StreamResponse:
        return await get_error_response(request, error, default_handler=again)

    assert (await asked(aiohttp_server, caplog, KeyError, errors(asking))).status == 500
    assert [one.name for one in logged(caplog)] == ["aiohttp.server"]


async def test_a_failure_of_that_one_is_logged_by_the_outer(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(request: web.Request) -> web.Response:
        raise ZeroDivisionError("the inner one")

    async def asking(request: web.Request, error: Exception) -> web.StreamResponse:
        return await get_error_response(request, error, default_handler=failing)

    assert (await asked(aiohttp_server, caplog, KeyError, errors(asking))).status == 500
    ours = [one for one in logged(caplog) if one.name == "routeguard.errors"]
    assert [one.getMessage().partition("\n")[0] for one in ours] == [
        "error handler asking failed for GET /, answering"
    ]


async def test_another_error_in_between_is_an_error_of_its_own(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def asking(request: web.Request, error: Exception) -> web.StreamResponse:
        await get_error_response(request, ValueError("another"))
        with error_context(request) as context:
            assert context.err is error
        return web.Response(status=404)

    assert (await asked(aiohttp_server, caplog, KeyError, errors(asking))).status == 404
    (record,) = logged(caplog)
    assert record.exc_info is not None and isinstance(record.exc_info[1], ValueError)


# --- a handler that does not come to its end ------------------------------------------------------


@pytest.mark.parametrize(("make", "lines"), [(KeyError, 1), (web.HTTPNotFound, 0)])
async def test_an_error_is_not_lost_where_the_client_leaves_its_handler(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    lines: int,
) -> None:
    asked_for, left = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request, error: Exception) -> web.Response:
        asked_for.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    async def view(request: web.Request) -> web.Response:
        raise make()

    app = web.Application()
    app.router.add_get("/", view)
    routeguard.setup(app, errors(slow))
    server = await aiohttp_server(app)  # which cancels handlers
    with caplog.at_level(logging.DEBUG):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/"))
        async with asyncio.timeout(PATIENCE):
            await asked_for.wait()
            writer.transport.abort()
            await left.wait()
        await server.close()
    records = logged(caplog)
    assert [one.getMessage() for one in records] == ["GET / (/) failed with 500"] * lines


# --- nothing of an answered error is left on the request ------------------------------------------


@pytest.mark.parametrize("handler", [of_status(500), again, raising(web.HTTPConflict)])
async def test_an_answered_error_is_forgotten(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture, handler: ErrorHandler
) -> None:
    seen: list[Exception] = []

    @web.middleware
    async def outside(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            with error_context(request) as context:
                seen.append(context.err)

    async def view(request: web.Request) -> web.Response:
        raise KeyError("lost")

    app = web.Application()
    app.router.add_get("/", view)
    routeguard.setup(app, errors(handler))
    outer = web.Application(middlewares=[outside])
    outer.add_subapp("/in", app)
    server = await aiohttp_server(outer)
    await talk(get("/in/"), port=server.port)
    assert [str(error) for error in seen] == ["no error is being answered"]
