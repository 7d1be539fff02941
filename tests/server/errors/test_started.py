"""A response that has started: the client can tell that it is cut off, and gets no second one."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient, AiohttpServer

import routeguard
from routeguard import errors, get_error_response
from tests.server.errors.cases import Told
from tests.support.rawhttp import PATIENCE, get, read_reply, talk

RAISED: list[Callable[[], Exception]] = [
    lambda: ValueError("x"),
    lambda: web.HTTPNotFound(),
    lambda: Told(status=404),
    lambda: TimeoutError(),
]


def served(handler: Callable[..., object], *policies: routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/", handler)  # type: ignore[arg-type]
    routeguard.setup(app, *(policies or (errors(),)))
    return app


@pytest.mark.parametrize("make", RAISED)
async def test_a_body_of_known_length_stays_short(
    aiohttp_server: AiohttpServer, make: Callable[[], Exception]
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"part")
        raise make()

    server = await aiohttp_server(served(handler))
    reply = read_reply(await talk(get("/"), port=server.port))
    assert (reply.status, reply.body, reply.complete) == (200, b"part", False)


@pytest.mark.parametrize("make", RAISED)
async def test_headers_alone_are_a_start_too(
    aiohttp_server: AiohttpServer, make: Callable[[], Exception]
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        raise make()

    server = await aiohttp_server(served(handler))
    received = await talk(get("/"), port=server.port)
    reply = read_reply(received)
    assert (reply.status, reply.body, reply.complete) == (200, b"", False)
    assert received.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("make", RAISED)
async def test_a_body_that_the_connection_ends_is_reset(
    aiohttp_server: AiohttpServer, make: Callable[[], Exception]
) -> None:
    """A body without length or chunks ends with the connection (RFC 9112, section 6.3)."""
    read = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        await read.wait()
        raise make()

    server = await aiohttp_server(served(handler))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.closing(writer):
        writer.write(get("/", version="1.0"))
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"part")
            read.set()
            with pytest.raises(ConnectionResetError):
                await reader.read()


@pytest.mark.parametrize("make", RAISED)
async def test_a_body_that_was_whole_is_not_reset(
    aiohttp_server: AiohttpServer, make: Callable[[], Exception]
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"whole")
        await response.write_eof()
        raise make()

    server = await aiohttp_server(served(handler))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.closing(writer):
        writer.write(get("/", version="1.0"))
        async with asyncio.timeout(PATIENCE):
            assert read_reply(await reader.read()).body == b"whole"


@pytest.mark.parametrize("make", RAISED)
async def test_a_websocket_is_closed(
    aiohttp_client: AiohttpClient, make: Callable[[], Exception]
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        raise make()

    client = await aiohttp_client(served(handler))
    async with asyncio.timeout(PATIENCE), client.ws_connect("/") as socket:
        assert await socket.receive_str() == "hello"
        closing = await socket.receive()
        assert closing.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING)
        assert closing.data in (aiohttp.WSCloseCode.GOING_AWAY, aiohttp.WSCloseCode.INTERNAL_ERROR)
        assert closing.extra != "timeout"  # nothing has timed out


async def test_the_next_request_gets_a_connection_of_its_own(aiohttp_client: AiohttpClient) -> None:
    calls = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls > 1:
            return web.Response(text="whole")
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise ValueError("x")

    client = await aiohttp_client(served(handler))
    async with asyncio.timeout(PATIENCE):
        answer = await client.get("/")
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
        assert await (await client.get("/")).text() == "whole"


@pytest.mark.parametrize("make", RAISED)
async def test_it_is_logged_once_with_traceback(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[], Exception],
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        raise make()

    server = await aiohttp_server(served(handler))
    with caplog.at_level(logging.DEBUG):
        await talk(get("/"), port=server.port)
    ours = [one for one in caplog.records if one.name == "routeguard.errors"]
    assert [one.levelno for one in ours] == [logging.ERROR]
    assert "GET / (/)" in ours[0].getMessage() and "started" in ours[0].getMessage()
    assert ours[0].exc_info is not None and type(ours[0].exc_info[1]) is type(make())


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_response_prepared_but_not_sent_gives_way_to_the_answer(
    aiohttp_server: AiohttpServer, chunked: bool
) -> None:
    """aiohttp holds the headers of a `web.Response` back until its body comes."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="never sent")
        if chunked:
            response.enable_chunked_encoding()
        await response.prepare(request)
        raise web.HTTPNotFound

    server = await aiohttp_server(served(handler))
    received = await talk(get("/"), port=server.port)
    reply = read_reply(received)
    assert received.count(b"HTTP/1.") == 1
    if reply.status == 200:  # aiohttp before 3.12 sent them at once
        assert not reply.complete
    else:
        assert (reply.status, reply.body) == (404, b'{"detail": "Not Found"}')
        assert reply.complete and not reply.rest


@pytest.mark.parametrize("make", RAISED)
async def test_get_error_response_raises_the_error_again(
    aiohttp_server: AiohttpServer, make: Callable[[], Exception]
) -> None:
    told = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        error = make()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        try:
            await get_error_response(request, error)
        except Exception as raised:
            told.set_result(error is raised or error is raised.__cause__)
            raise
        raise AssertionError("answered twice")

    server = await aiohttp_server(served(handler))
    received = await talk(get("/"), port=server.port)
    assert await told
    assert received.count(b"HTTP/1.") == 1


async def test_an_error_handler_may_stream_its_answer(aiohttp_server: AiohttpServer) -> None:
    async def streaming(request: web.Request, error: Exception) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        await response.write(b"sorry")
        return response

    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "7"})

    server = await aiohttp_server(served(handler, errors(streaming)))
    reply = read_reply(await talk(get("/"), port=server.port))
    assert (reply.status, reply.body, reply.complete, reply.rest) == (503, b"sorry", True, b"")


async def test_an_error_handler_that_fails_after_it_started_answers_no_more(
    aiohttp_server: AiohttpServer,
) -> None:
    async def streaming(request: web.Request, error: Exception) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        await response.write(b"sorry")
        raise (error if isinstance(error, KeyError) else web.HTTPConflict())

    async def handler(request: web.Request) -> web.StreamResponse:
        raise KeyError if "key" in request.query else ValueError

    server = await aiohttp_server(served(handler, errors(streaming)))
    for path in ("/?key", "/"):
        received = await talk(get(path), port=server.port)
        assert received.count(b"HTTP/1.") == 1
        reply = read_reply(received)
        assert (reply.status, reply.body, reply.complete) == (503, b"sorry", False)


@pytest.mark.parametrize("make", RAISED)
async def test_nor_does_what_it_began_look_whole_where_the_connection_ends_it(
    aiohttp_server: AiohttpServer, make: Callable[[], Exception]
) -> None:
    read = asyncio.Event()

    async def streaming(request: web.Request, error: Exception) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        await response.write(b"sorry")
        await read.wait()
        raise make()

    async def handler(request: web.Request) -> web.StreamResponse:
        raise KeyError

    server = await aiohttp_server(served(handler, errors(streaming)))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.closing(writer):
        writer.write(get("/", version="1.0"))
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"sorry")
            read.set()
            with pytest.raises(ConnectionResetError):
                await reader.read()


async def test_a_client_that_was_told_to_continue_has_not_been_answered(
    aiohttp_server: AiohttpServer,
) -> None:
    """`100 Continue` is no response that has started (RFC 9110, section 10.1.1)."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        raise web.HTTPConflict

    server = await aiohttp_server(served(handler))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.closing(writer):
        writer.write(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"body")
            reply = read_reply(await reader.read())
    assert (reply.status, reply.body) == (409, b'{"detail": "Conflict"}')
