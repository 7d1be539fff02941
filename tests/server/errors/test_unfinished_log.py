"""A failure after the response has started is in the log once, whoever writes it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from routeguard import (
    HandlerTimeout,
    Policy,
    errors,
    get_error_response,
    shield,
    timeout,
)
from tests.server.errors.failing import POLICIES, RAISED, again, logged, served
from tests.support.rawhttp import PATIENCE, get, talk

BODIES: dict[str, dict[str, str]] = {"chunked": {}, "of known length": {"Content-Length": "100"}}


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


BOUNDS: dict[str, Policy] = {
    "idle": timeout(20, idle=0.125),
    "total": timeout(20, total=0.125),
    "limit": shield(limit=0.125),
}


@pytest.mark.parametrize("answering", [(), (errors(),), (errors(None, on={KeyError: again}),)])
@pytest.mark.parametrize("bound", BOUNDS)
async def test_a_bound_that_passes_in_a_stream(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    bound: str,
    answering: tuple[Policy, ...],
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        await asyncio.Event().wait()
        raise AssertionError

    server = await aiohttp_server(served(handler, BOUNDS[bound], *answering))
    with caplog.at_level(logging.DEBUG):
        received = await talk(get("/"), port=server.port)
        await server.close()
    assert b"part" in received and b"0\r\n\r\n" not in received
    (record,) = logged(caplog)
    assert record.levelno == logging.ERROR
    assert record.name == ("routeguard.errors" if answering else "routeguard.timeout")
    for part in ("GET /", "started", f"({bound} bound of 0.125 s)"):
        assert part in record.getMessage()
    assert record.exc_info is not None and isinstance(record.exc_info[1], HandlerTimeout)


@pytest.mark.parametrize("bound", ["start", "total", "limit"])
async def test_a_bound_that_passes_before_the_response(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture, bound: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server = await aiohttp_server(served(handler, BOUNDS.get(bound, timeout(0.125))))
    with caplog.at_level(logging.DEBUG):
        received = await talk(get("/?secret=1"), port=server.port)
        await server.close()
    assert received.startswith(b"HTTP/1.1 504 ")
    (record,) = logged(caplog)
    assert (record.name, record.levelno) == ("routeguard.timeout", logging.ERROR)
    assert record.getMessage().startswith("GET / is answered with 504: ")
    assert f"({bound} bound of 0.125 s)" in record.getMessage()
