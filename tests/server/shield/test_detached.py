"""What detached work sends never reaches a connection that has moved on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import Policy, cors, errors, rule, setup, shield, timeout
from tests.support.serving import serving, soon

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1


class Stray:
    """A shielded handler that sends once its request has been answered with a 504."""

    def __init__(
        self, sends: Callable[[web.Request], Awaitable[object]], *policies: Policy
    ) -> None:
        self.gate, self.ended = asyncio.Event(), asyncio.Event()
        self.sends = sends
        self.error: BaseException | None = None
        self.app = web.Application()
        self.app.router.add_get("/", self.handle)
        self.app.router.add_get("/next", self.next)
        setup(self.app, rule("/", shield, timeout(SHORT)), *policies, drain=0)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await self.gate.wait()
        try:
            await self.sends(request)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()
        return web.Response(text="stray")

    async def next(self, request: web.Request) -> web.Response:
        return web.Response(text="next")


async def prepares(request: web.Request) -> None:
    await web.StreamResponse(headers={"X-Stray": "1"}).prepare(request)


async def prepares_and_writes_all_the_same(request: web.Request) -> None:
    stream = web.StreamResponse(headers={"X-Stray": "1"})
    with suppress(ConnectionError):
        await stream.prepare(request)
    with suppress(ConnectionError):
        await stream.write(b"stray")
    with suppress(ConnectionError):
        await stream.write_eof(b"stray")
    raise ConnectionResetError("refused, three times")


async def prepares_plainly(request: web.Request) -> None:
    response = web.Response(text="stray", headers={"X-Stray": "1"})
    await response.prepare(request)
    await response.write_eof()


async def prepares_chunks(request: web.Request) -> None:
    stream = web.StreamResponse()
    stream.enable_chunked_encoding()
    await stream.prepare(request)


async def compresses(request: web.Request) -> None:
    stream = web.StreamResponse()
    stream.enable_compression(web.ContentCoding.gzip)
    await stream.prepare(request)


async def sends_a_file(request: web.Request) -> None:
    await web.FileResponse(Path(__file__)).prepare(request)


async def opens_a_websocket(request: web.Request) -> None:
    await web.WebSocketResponse().prepare(request)


SENDS = [
    prepares,
    prepares_and_writes_all_the_same,
    prepares_plainly,
    prepares_chunks,
    compresses,
    sends_a_file,
]


@pytest.mark.parametrize("sends", SENDS)
async def test_nothing_is_sent_after_the_answer(
    sends: Callable[[web.Request], Awaitable[object]],
) -> None:
    stray = Stray(sends, errors())
    async with serving(stray.app) as server:
        client = await server.dial()
        assert (await client.get("/").answer()).status == 504
        stray.gate.set()
        await soon(stray.ended)
        assert isinstance(stray.error, ConnectionResetError)
        for _ in range(2):
            answer = await client.get("/next").answer()
            assert (answer.status, answer.body) == (200, b"next")
            assert "x-stray" not in answer.headers


@pytest.mark.parametrize("sends", SENDS)
async def test_nothing_is_mixed_into_an_answer_that_is_being_made(
    sends: Callable[[web.Request], Awaitable[object]],
) -> None:
    """The error handler takes its time, and the work ends meanwhile."""

    async def answer(request: web.Request) -> web.Response:
        stray.gate.set()
        await stray.ended.wait()
        return web.Response(text="timed out", status=504)

    stray = Stray(sends, errors(answer))
    async with serving(stray.app) as server:
        client = await server.dial()
        answered = await client.get("/").answer()
        assert (answered.status, answered.body) == (504, b"timed out")
        assert "x-stray" not in answered.headers
        assert (await client.get("/next").answer()).body == b"next"


@pytest.mark.parametrize("sends", SENDS)
async def test_nothing_is_mixed_into_an_answer_that_is_being_prepared(
    sends: Callable[[web.Request], Awaitable[object]],
) -> None:
    """A hook takes its time over the answer's headers, and the work ends meanwhile."""

    async def slow_hook(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 504:
            stray.gate.set()
            await stray.ended.wait()

    stray = Stray(sends, errors())
    stray.app.on_response_prepare.append(slow_hook)
    async with serving(stray.app) as server:
        client = await server.dial()
        answered = await client.get("/").answer()
        assert answered.status == 504
        assert answered.body.startswith(b"{")
        assert (await client.get("/next").answer()).body == b"next"


async def test_work_cannot_open_a_websocket_after_the_answer() -> None:
    stray = Stray(opens_a_websocket, errors())
    async with serving(stray.app) as server:
        client = await server.dial()
        client.send(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        answer = await client.answer()
        assert answer.status == 504


async def test_pipelined_requests_have_answers_of_their_own() -> None:
    """Many connections, whose detached work ends while the following requests are answered."""
    gates: dict[str, asyncio.Event] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        await gates.setdefault(request.query["of"], asyncio.Event()).wait()
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"stray")
        return stream

    async def following(request: web.Request) -> web.Response:
        gates[request.query["of"]].set()
        await asyncio.sleep(0)
        return web.Response(text="next")

    app = web.Application()
    app.router.add_get("/", handle)
    app.router.add_get("/next", following)
    setup(app, rule("/", shield, timeout(SHORT)), errors())
    async with serving(app) as server:
        clients = [await server.dial() for _ in range(50)]
        for i, client in enumerate(clients):
            client.get(f"/?of={i}").get(f"/next?of={i}").get(f"/next?of={i}")
        for client in clients:
            assert (await client.answer()).status == 504
            for _ in range(2):
                answer = await client.answer()
                assert (answer.status, answer.body) == (200, b"next")


async def test_a_predicate_that_takes_its_time_mixes_nothing() -> None:
    """`cors` asks it in the midst of preparing a response; the deadline passes meanwhile."""
    gate, first = asyncio.Event(), True

    async def allowed(origin: str) -> bool:
        nonlocal first
        if first:
            first = False
            await gate.wait()
        return True

    async def handle(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"X-Stray": "1"})
        await stream.prepare(request)
        await stream.write(b"stray")
        return stream

    async def following(request: web.Request) -> web.Response:
        return web.Response(text="next")

    app = web.Application()
    app.router.add_get("/", handle)
    app.router.add_get("/next", following)
    setup(app, rule("/", shield, timeout(None, total=SHORT), cors(allowed)), errors(), drain=0)
    async with serving(app) as server:
        client = await server.dial()
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\r\n")
        try:
            assert (await client.answer()).status == 504
            gate.set()
            answer = await client.get("/next").answer()
            assert (answer.status, answer.body) == (200, b"next")
        except (EOFError, ConnectionResetError):
            return  # cut off: the client can tell
