"""Streams under `timeout` on real sockets: what lives on, what is cut, and that it shows."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import Policy, errors, setup, shield, timeout
from tests.support.serving import serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1
CUTS = [timeout(1000, idle=SHORT, total=50), timeout(None, total=SHORT)]


def app_of(handler: Handler, *policies: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, *policies, drain=0)
    return app


async def chunked(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    await stream.write(b"some")
    await asyncio.Event().wait()
    return stream


async def of_known_length(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.content_length = 1000
    await stream.prepare(request)
    await stream.write(b"some")
    await asyncio.Event().wait()
    return stream


async def only_headers(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    await asyncio.Event().wait()
    return stream


async def compressed(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.enable_compression(web.ContentCoding.gzip)
    await stream.prepare(request)
    await stream.write(b"some" * 1000)
    await asyncio.Event().wait()
    return stream


STREAMS = [chunked, of_known_length, only_headers, compressed]


@pytest.mark.parametrize("handler", STREAMS)
@pytest.mark.parametrize("policy", CUTS, ids=repr)
@pytest.mark.parametrize("others", [[], [shield], [errors()], [shield, errors()]], ids=str)
async def test_the_client_can_tell_that_a_stream_was_cut(
    handler: Handler, policy: timeout, others: list[Policy]
) -> None:
    async with serving(app_of(handler, policy, *others)) as server:
        client = (await server.dial()).get("/")
        answer = await client.rest()
    assert answer.status == 200
    assert not answer.complete
    if handler in (chunked, of_known_length):
        assert answer.body == b"some"


@pytest.mark.parametrize("policy", CUTS, ids=repr)
@pytest.mark.parametrize("others", [[], [shield], [errors()], [shield, errors()]], ids=str)
async def test_an_http_1_0_stream_is_reset(policy: timeout, others: list[Policy]) -> None:
    """There the end of the connection is the end of the body (RFC 9112, section 6.3)."""
    async with serving(app_of(chunked, policy, *others)) as server:
        client = (await server.dial()).send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await client.rest()


@pytest.mark.parametrize("others", [[], [errors()]], ids=str)
async def test_an_http_1_0_stream_past_a_shields_limit_is_reset(others: list[Policy]) -> None:
    async with serving(app_of(chunked, shield(limit=SHORT), *others)) as server:
        client = (await server.dial()).send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_an_http_1_0_stream_of_known_length_ends_short() -> None:
    async with serving(app_of(of_known_length, CUTS[0])) as server:
        client = (await server.dial()).send(b"GET / HTTP/1.0\r\n\r\n")
        answer = await client.rest()
    assert (answer.body, answer.complete) == (b"some", False)


async def test_nothing_can_be_answered_once_a_stream_has_started() -> None:
    asked: list[Exception] = []

    async def answer(request: web.Request, error: Exception) -> web.Response:
        asked.append(error)
        return web.Response(text="too late for that", status=504)

    async with serving(app_of(chunked, CUTS[0], errors(answer))) as server:
        assert (await (await server.dial()).get("/").rest()).body == b"some"
    assert asked == []


async def test_the_start_bound_spares_what_has_started(tmp_path: Path) -> None:
    """Events, a file and a WebSocket outlive the bound on their start by far."""
    outlived = 4 * SHORT

    async def events(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await asyncio.sleep(outlived)
        await stream.write(b"data: still here\n\n")
        await stream.write_eof()
        return stream

    app = app_of(events, timeout(2 * SHORT))
    async with serving(app) as server:
        answer = await (await server.dial()).get("/").answer()
    assert answer.body == b"data: still here\n\n"


async def test_idle_spares_a_stream_that_trickles() -> None:
    """It lives several times as long as it may be silent."""

    async def trickle(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        for i in range(30):
            await asyncio.sleep(0.05)
            await stream.write(b"%d." % i)
        await stream.write_eof()
        return stream

    async with serving(app_of(trickle, timeout(1000, idle=0.75))) as server:
        answer = await (await server.dial()).get("/").answer()
    assert answer.body == b"".join(b"%d." % i for i in range(30))


async def test_idle_spares_a_client_that_reads_slowly() -> None:
    """A handler that is blocked in `write()` is not silent."""
    size, pieces = 1_000_000, 30
    blocked = 0

    async def plenty(request: web.Request) -> web.StreamResponse:
        nonlocal blocked
        stream = web.StreamResponse()
        await stream.prepare(request)
        for i in range(pieces):
            blocked = i
            await stream.write(bytes(size))
        await stream.write_eof()
        return stream

    async with serving(app_of(plenty, timeout(1000, idle=SHORT))) as server:
        client = (await server.dial()).get("/")
        await until(lambda: blocked > 0)
        await asyncio.sleep(8 * SHORT)
        assert blocked < pieces - 1
        received = await client.skim(until=b"\r\n0\r\n\r\n")
    assert received > size * pieces


async def test_total_does_not_spare_a_client_that_reads_slowly() -> None:
    cancelled = asyncio.Event()

    async def plenty(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        try:
            while True:
                await stream.write(bytes(1_000_000))
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(app_of(plenty, timeout(1000, total=2 * SHORT))) as server:
        client = (await server.dial()).get("/")
        await soon(cancelled)
        with pytest.raises(EOFError):
            await client.skim(until=b"\r\n0\r\n\r\n")


async def test_a_stream_that_ends_in_time_is_whole() -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        stream.enable_compression(web.ContentCoding.deflate)
        await stream.prepare(request)
        for _ in range(100):
            await stream.write(b"some more ")
        await stream.write_eof(b"and the end")
        return stream

    async with serving(app_of(stream, timeout(50, idle=50, total=50))) as server:
        client = await server.dial()
        for _ in range(3):
            answer = await client.get("/").answer()
            assert zlib.decompress(answer.body) == b"some more " * 100 + b"and the end"


async def test_a_stream_of_a_class_of_its_own_is_watched_too() -> None:
    class Events(web.StreamResponse):
        async def write(self, data: bytes | bytearray | memoryview) -> None:
            await super().write(b"data: " + bytes(data) + b"\n\n")

    async def events(request: web.Request) -> web.StreamResponse:
        stream = Events()
        await stream.prepare(request)
        for _ in range(8):
            await asyncio.sleep(SHORT)
            await stream.write(b"x")
        await asyncio.Event().wait()
        return stream

    async with serving(app_of(events, timeout(1000, idle=5 * SHORT))) as server:
        answer = await (await server.dial()).get("/").rest()
    assert answer.body == b"data: x\n\n" * 8
