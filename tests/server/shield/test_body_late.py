"""Bodies that arrive late: after a 504, as a stream, or never."""

import asyncio
import gzip
from contextlib import suppress

import pytest
from aiohttp import web

from routeguard import Policy, errors, rule, setup, shield, timeout
from tests.support.bodies import Late
from tests.support.messages import parse
from tests.support.serving import serving, soon

COMPRESSED = gzip.compress(bytes(5_000_000))
ARRIVING: dict[str, tuple[bytes, list[bytes]]] = {
    "content-length": (b"Content-Length: 10\r\n", [b"01234", b"56789"]),
    "chunked": (b"Transfer-Encoding: chunked\r\n", [b"5\r\n01234\r\n", b"1\r\n5\r\n0\r\n\r\n"]),
    "many chunks": (
        b"Transfer-Encoding: chunked\r\n",
        [b"1\r\n0\r\n" * 40_000, b"1\r\n5\r\n" * 40_000, b"0\r\n\r\n"],
    ),
    "compressed": (
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(COMPRESSED),
        [COMPRESSED[:1000], COMPRESSED[1000:]],
    ),
    "large": (b"Content-Length: 4000000\r\n", [bytes(3_000_000), bytes(1_000_000)]),
}


@pytest.mark.parametrize("policies", [[], [shield]], ids=str)
@pytest.mark.parametrize("how", ARRIVING)
async def test_a_504_while_the_body_still_arrives(how: str, policies: list[Policy]) -> None:
    """The rest of the body is taken for no request, and the next request has its own answer."""
    fields, parts = ARRIVING[how]
    late = Late(web.Request.read, rule("/", *policies, timeout(0.1)), errors())
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n" + parts[0])
        answer = await client.begun()
        assert answer.status == 504
        for part in parts[1:]:
            client.send(part)
        client.get("/next").get("/next")
        assert (await client.answer()).status == 504
        assert (await client.answer()).body == b"next"
        assert (await client.answer()).body == b"next"


@pytest.mark.parametrize("policies", [[], [shield]], ids=str)
@pytest.mark.parametrize("how", ARRIVING)
async def test_a_408_while_the_body_still_arrives(how: str, policies: list[Policy]) -> None:
    """The client was late, since the handler waited for it; the connection ends with the answer."""
    fields, parts = ARRIVING[how]
    # Within the time all must be read that has been sent: it is the rest that is waited for.
    seconds = 1 if how == "many chunks" else 0.1
    late = Late(web.Request.read, rule("/", *policies, timeout(seconds)), errors())
    late.gate.set()
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n" + parts[0])
        answer = await client.begun()
        assert answer.status == 408
        assert answer.headers["connection"] == "close"
        for part in parts[1:]:
            client.send(part)
        client.get("/next")
        assert (await client.rest()).status == 408
        assert list(parse(client.received))[1:] == []


async def test_an_upload_that_nobody_reads_is_not_buffered() -> None:
    """However much the client sends, the server takes in no more than its buffers hold."""
    late = Late(web.Request.read, shield)
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 256000000\r\n\r\n")
        await soon(late.begun)
        sent = 0
        try:
            while sent < 256_000_000:
                client.send(bytes(1_000_000))
                async with asyncio.timeout(0.5):
                    await client.writer.drain()
                sent += 1_000_000
        except TimeoutError:
            pass
        assert sent < 64_000_000


async def test_an_upload_that_goes_on_after_its_504_is_not_kept() -> None:
    import tracemalloc

    late = Late(web.Request.read, rule("/", shield, timeout(0.1)), errors())
    size = 64_000_000
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
        assert (await client.answer()).status == 504
        tracemalloc.start()
        try:
            for _ in range(64):
                client.send(bytes(size // 64))
                await client.writer.drain()
            assert (await client.get("/next").answer()).body == b"next"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < size / 4


async def test_a_streaming_upload_reaches_its_shielded_handler_as_it_comes() -> None:
    """Nothing waits for the body's end before the handler begins."""
    received: list[bytes] = []
    more = asyncio.Event()

    @shield
    async def handler(request: web.Request) -> web.Response:
        async for chunk in request.content.iter_any():
            received.append(chunk)
            more.set()
        return web.Response(text=b"".join(received).decode())

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app)
    async with serving(app) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        for part in (b"one", b"two", b"six"):
            more.clear()
            client.send(part)
            await soon(more)
        assert (await client.answer()).body == b"onetwosix"


async def test_a_body_over_the_size_limit_is_refused_as_ever() -> None:
    @shield
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application(client_max_size=1000)
    app.router.add_post("/", handler)
    setup(app)
    async with serving(app) as server:
        client = await server.dial()
        assert (await client.post("/", bytes(2000)).answer()).status == 413


async def test_expecting_100_continue_works_under_a_shield() -> None:
    late = Late(web.Request.text, shield)
    late.gate.set()
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert (await client.answer()).status == 100
        assert (await client.send(b"body").answer()).body == b"read"
    assert late.outcome == "body"


async def test_after_a_504_a_body_that_drips_closes_the_connection() -> None:
    """aiohttp lingers for the rest of a body: no longer, however it drips."""
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        await asyncio.sleep(30)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, shield, timeout(0.2), errors(), drain=0)
    async with serving(app, lingering_time=1) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbegun")
        await soon(begun)
        assert (await client.answer()).status == 504

        async def drip() -> None:
            while True:
                client.send(b".")
                await asyncio.sleep(0.1)

        dripping = asyncio.ensure_future(drip())
        try:
            async with asyncio.timeout(5):
                with suppress(ConnectionResetError):
                    assert await client.reader.read() == b""
        finally:
            dripping.cancel()


async def test_after_a_504_the_rest_of_a_body_makes_way_for_the_next_request() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.method == "POST":
            await asyncio.sleep(30)
        return web.Response(text="next")

    app = web.Application()
    app.router.add_route("*", "/", handler)
    setup(app, shield, timeout(0.2), errors(), drain=0)
    async with serving(app) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf;")
        assert (await client.answer()).status == 504
        client.send(b"whole").get("/")
        assert (await client.answer()).body == b"next"
