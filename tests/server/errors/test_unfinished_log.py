"""A failure after the response has started, or the client has gone, is in the log once."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import Policy, errors, get_error_response, problem_details, timeout
from tests.server.errors.cases import Told
from tests.support.rawhttp import PATIENCE, get, talk
from tests.support.serving import until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RAISED: list[Callable[[], Exception]] = [
    lambda: ValueError("x"),
    lambda: web.HTTPNotFound(),
    lambda: web.HTTPServiceUnavailable(),
    lambda: Told(status=404),
    lambda: TimeoutError(),
    lambda: ConnectionResetError("a database hung up"),
    lambda: ExceptionGroup("g", [KeyError("a")]),
]
BODIES: dict[str, dict[str, str]] = {"chunked": {}, "of known length": {"Content-Length": "100"}}


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    quiet = ("aiohttp.access", "asyncio")
    return [one for one in caplog.records if one.name not in quiet and one.levelno > logging.DEBUG]


def served(handler: Handler, *policies: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    routeguard.setup(app, *policies)
    return app


POLICIES: dict[str, tuple[Policy, ...]] = {
    "errors": (errors(),),
    "with a timeout": (errors(problem_details), timeout(20, idle=20)),
    "only what is named": (errors(None, on={KeyError: problem_details}),),
    "ignoring all": (errors(ignore=Exception),),
}


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("headers", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("make", RAISED)
async def test_after_the_start(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    version: str,
    headers: dict[str, str],
    policies: tuple[Policy, ...],
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(b"part")
        raise make()

    server = await aiohttp_server(served(handler, *policies))
    with caplog.at_level(logging.DEBUG):
        received = await talk(get("/", version=version), port=server.port)
        await server.close()
    assert received.count(b"HTTP/1.") <= 1  # none where the connection was reset
    assert b"0\r\n\r\n" not in received.partition(b"\r\n\r\n")[2]
    (record,) = logged(caplog)
    assert (record.name, record.levelno) == ("routeguard.errors", logging.ERROR)
    assert record.exc_info is not None and type(record.exc_info[1]) is type(make())
    assert record.getMessage() == "GET / (/) failed after its response had started"


@pytest.mark.parametrize("make", RAISED)
async def test_code_that_catches_by_itself(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        try:
            raise make()
        except Exception as error:
            return await get_error_response(request, error)

    for policies in ((), (errors(),)):
        caplog.clear()
        server = await aiohttp_server(served(handler, *policies))
        with caplog.at_level(logging.DEBUG):
            assert (await talk(get("/"), port=server.port)).count(b"HTTP/1.") == 1
            await server.close()
        (record,) = logged(caplog)
        assert record.name == ("routeguard.errors" if policies else "aiohttp.server")


def fail_otherwise(error: Exception) -> Exception:
    return ZeroDivisionError("the handler itself")


def raise_again(error: Exception) -> Exception:
    return error


def answer_by_raising(error: Exception) -> Exception:
    return web.HTTPConflict()


@pytest.mark.parametrize("make", RAISED)
@pytest.mark.parametrize("then", [fail_otherwise, raise_again, answer_by_raising])
async def test_an_error_handler_that_has_started_its_answer(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    then: Callable[[Exception], Exception],
) -> None:
    async def streaming(request: web.Request, error: Exception) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        await response.write(b"sorry")
        raise then(error)

    async def handler(request: web.Request) -> web.StreamResponse:
        raise make()

    server = await aiohttp_server(served(handler, errors(streaming)))
    with caplog.at_level(logging.DEBUG):
        received = await talk(get("/"), port=server.port)
        await server.close()
    assert received.count(b"HTTP/1.") == 1 and b"0\r\n\r\n" not in received
    (record,) = logged(caplog)
    written = logging.Formatter("%(message)s").format(record)
    for error in (make(), then(make())):
        assert type(error).__name__ in written


@pytest.mark.parametrize("more", [(), (timeout(20),), (timeout(20, total=20),)], ids=str)
async def test_what_an_error_handler_began_is_cut_off_and_not_reset(
    aiohttp_server: AiohttpServer, more: tuple[Policy, ...]
) -> None:
    """A reset would take away what the client has not read yet."""

    async def streaming(request: web.Request, error: Exception) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        await response.write(b"sorry")
        raise ZeroDivisionError

    async def handler(request: web.Request) -> web.StreamResponse:
        raise KeyError

    server = await aiohttp_server(served(handler, errors(streaming), *more))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.closing(writer):
        writer.write(get("/"))
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"sorry\r\n")
            assert await reader.read() == b""


@pytest.mark.parametrize("bound", ["idle", "total"])
async def test_a_bound_that_passes_in_a_stream(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture, bound: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        await asyncio.Event().wait()
        raise AssertionError

    limits = timeout(20, idle=0.125) if bound == "idle" else timeout(20, total=0.125)
    server = await aiohttp_server(served(handler, limits, errors()))
    with caplog.at_level(logging.DEBUG):
        await talk(get("/"), port=server.port)
        await server.close()
    (record,) = logged(caplog)
    for part in ("GET", "(/)", bound, "0.125 s"):
        assert part in record.getMessage()


# --- clients that have gone -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def abandoned(app: web.Application, *, cancelling: bool) -> AsyncIterator[None]:
    """A server whose only client has hung up after the handler has begun."""
    runner = web.AppRunner(app, handler_cancellation=cancelling)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        _, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(get("/"))
        async with asyncio.timeout(PATIENCE):
            await app[BEGUN].wait()
        writer.transport.abort()
        yield
    finally:
        await runner.cleanup()


BEGUN = web.AppKey("begun", asyncio.Event)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("make", RAISED)
@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
async def test_after_the_client_has_gone(
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
    started: bool,
    policies: tuple[Policy, ...],
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if started:
            await web.StreamResponse().prepare(request)
        request.app[BEGUN].set()
        await until(lambda: request.transport is None)
        ended.set()
        raise make()

    app = served(handler, *policies)
    app[BEGUN] = asyncio.Event()
    with caplog.at_level(logging.DEBUG):
        async with abandoned(app, cancelling=False), asyncio.timeout(PATIENCE):
            await ended.wait()
    records = logged(caplog)
    if started:
        assert [one.name for one in records] == ["routeguard.errors"]
    else:
        status = getattr(make(), "status", 504 if isinstance(make(), TimeoutError) else 500)
        is_left = policies not in (POLICIES["errors"], POLICIES["with a timeout"])
        is_quiet = isinstance(make(), web.HTTPException) if is_left else status < 500
        assert len(records) == (0 if is_quiet else 1)


async def test_a_stream_that_the_client_has_left_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        request.app[BEGUN].set()
        try:
            while True:
                await response.write(b"tick")
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    app = served(handler, errors())
    app[BEGUN] = asyncio.Event()
    with caplog.at_level(logging.DEBUG):
        async with abandoned(app, cancelling=False), asyncio.timeout(PATIENCE):
            await ended.wait()
    (record,) = logged(caplog)
    assert (record.name, record.levelno) == ("routeguard.errors", logging.INFO)
    assert record.getMessage() == "GET / (/): the client left before the response had ended"
