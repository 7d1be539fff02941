"""`until_shutdown`: what ends at shutdown, how, and what is left alone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from routeguard import (
    Event,
    Policy,
    errors,
    exempt,
    rule,
    setup,
    shield,
    timeout,
    until_shutdown,
    use,
)
from tests.support.messages import parse, request
from tests.support.serving import Client, Server, serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LONG = 30.0
"""aiohttp's patience: no test may come near it."""


class Streaming:
    """A handler that streams until it is cancelled, and what it does then."""

    def __init__(
        self,
        content_type: str = "application/octet-stream",
        *,
        last: bytes = b"",
        swallows: bool = False,
        ends_itself: bool = False,
        length: int | None = None,
    ) -> None:
        self.content_type = content_type
        self.last = last
        self.swallows = swallows
        self.ends_itself = ends_itself
        self.length = length
        self.begun = asyncio.Event()
        self.cancelled = False

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": self.content_type})
        if self.length is not None:
            response.content_length = self.length
        await response.prepare(request)
        await response.write(b"begun;")
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            if not self.swallows:
                raise
        finally:
            await asyncio.sleep(0.05)
            if self.last:
                await response.write(self.last)
            if self.ends_itself:
                await response.write_eof()
        return response


def app_of(handler: Handler, *policies: Policy, path: str = "/") -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_get(path, handle)
    setup(app, *policies)
    return app


@asynccontextmanager
async def streamed(
    streaming: Streaming, *policies: Policy, version: str = "1.1"
) -> AsyncIterator[tuple[Server, Client]]:
    app = app_of(streaming, *policies)
    async with serving(app, shutdown_timeout=LONG) as server:
        client = await server.dial()
        client.send(request("GET", "/").replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
        await soon(streaming.begun)
        yield server, client


async def stopped(server: Server) -> float:
    """Shuts down; for how many seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await server.stop()
    return loop.time() - began


WHOLE: list[tuple[str, until_shutdown]] = [
    ("text/event-stream", until_shutdown()),
    ("text/event-stream; charset=utf-8", until_shutdown()),
    ("application/x-ndjson", until_shutdown(clean=True)),
]
CUT: list[tuple[str, until_shutdown]] = [
    ("application/octet-stream", until_shutdown()),
    ("application/x-ndjson", until_shutdown()),
    ("text/event-stream", until_shutdown(clean=False)),
]


@pytest.mark.parametrize(("content_type", "policy"), WHOLE, ids=str)
@pytest.mark.parametrize("swallows", [False, True], ids=["raises", "returns"])
async def test_a_stream_any_prefix_of_which_is_whole_ends_in_good_order(
    content_type: str, policy: until_shutdown, swallows: bool
) -> None:
    streaming = Streaming(content_type, last=b"last", swallows=swallows)
    async with streamed(streaming, policy) as (server, client):
        assert await stopped(server) < 2
        answer = await client.rest()
    assert streaming.cancelled
    assert answer.complete
    assert answer.body == b"begun;last"


async def test_another_response_never_follows_a_stream_that_has_begun() -> None:
    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except asyncio.CancelledError:
            return web.Response(status=503, text="stopping")

    streaming = Streaming("text/event-stream")
    app = app_of(streaming, until_shutdown())
    app.middlewares.append(answering)
    async with serving(app, shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        await soon(streaming.begun)
        assert await stopped(server) < 2
        await client.rest()
    [answer] = parse(client.received)
    assert (answer.body, answer.complete) == (b"begun;", True)


@pytest.mark.parametrize(("content_type", "policy"), CUT, ids=str)
@pytest.mark.parametrize(
    "ends", [{}, {"swallows": True}, {"swallows": True, "ends_itself": True}], ids=str
)
async def test_any_other_stream_is_cut_whatever_its_handler_makes_of_it(
    content_type: str, policy: until_shutdown, ends: dict[str, bool]
) -> None:
    streaming = Streaming(content_type, last=b"last", **ends)
    async with streamed(streaming, policy) as (server, client):
        assert await stopped(server) < 2
        answer = await client.rest()
    assert answer.body == b"begun;last"
    assert not answer.complete


async def test_a_stream_of_known_length_is_cut_short() -> None:
    streaming = Streaming(length=100)
    async with streamed(streaming, until_shutdown()) as (server, client):
        assert await stopped(server) < 2
        answer = await client.rest()
    assert (answer.body, answer.complete) == (b"begun;", False)


async def test_where_the_end_of_the_connection_would_end_the_body_it_is_reset() -> None:
    async with streamed(Streaming(), until_shutdown(), version="1.0") as (server, client):
        assert await stopped(server) < 2
        with pytest.raises(ConnectionResetError):
            await client.rest()
    async with streamed(Streaming("text/event-stream"), until_shutdown(), version="1.0") as (
        server,
        client,
    ):
        assert await stopped(server) < 2
        assert (await client.rest()).body == b"begun;"


async def test_a_stream_that_has_ended_by_itself_is_whole() -> None:
    written, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(b"all")
        written.set()
        await asyncio.sleep(0.5)  # its own work, which is nobody's to end
        ended.set()
        return response

    async with serving(app_of(handler, until_shutdown()), shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        await soon(written)
        assert 0.4 < await stopped(server) < 5
        answer = await client.rest()
    assert ended.is_set()
    assert (answer.body, answer.complete) == (b"all", True)


async def test_a_response_that_has_not_started_is_left_alone() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def pay(request: web.Request) -> web.Response:
        begun.set()
        await gate.wait()
        return web.Response(text="paid")

    async with serving(app_of(pay, until_shutdown()), shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        await soon(begun)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.2)
        gate.set()
        assert (await client.answer()).body == b"paid"
        await stopping


async def test_shielded_work_is_left_alone() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        begun.set()
        await gate.wait()
        await response.write(b"all")
        return response

    app = app_of(handler, until_shutdown(), shield)
    async with serving(app, shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        await soon(begun)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.2)
        gate.set()
        answer = await client.answer()
        assert (answer.body, answer.complete) == (b"all", True)
        await stopping


async def test_a_file_that_aiohttp_sends_is_left_alone(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(30_000_000)

    async def returned(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(large)

    async def prepared(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(large)
        await response.prepare(request)
        return response

    for handler in (returned, prepared):
        async with serving(app_of(handler, until_shutdown()), shutdown_timeout=LONG) as server:
            client = (await server.dial()).get("/")
            await client.begun()
            stopping = asyncio.ensure_future(server.stop())
            await asyncio.sleep(0.2)
            assert (await client.rest()).complete
            await stopping


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/octet-stream"])
async def test_a_stream_that_starts_after_the_grace_ends_at_once(content_type: str) -> None:
    held = asyncio.Event()
    streaming = Streaming(content_type)

    async def late(request: web.Request) -> web.StreamResponse:
        held.set()
        await asyncio.sleep(0.5)
        return await streaming(request)

    async with serving(app_of(late, until_shutdown()), shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        await soon(held)
        assert 0.4 < await stopped(server) < 3
        answer = await client.rest()
    assert streaming.cancelled
    assert answer.status == 200
    assert answer.complete == (content_type == "text/event-stream")


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/octet-stream"])
async def test_a_client_that_reads_nothing_holds_nothing_up(content_type: str) -> None:
    cancelled, last = asyncio.Event(), asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 60_000)
        finally:
            cancelled.set()
            await response.write(b"last")
            last.set()

    async with serving(app_of(flood, until_shutdown()), shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        assert not cancelled.is_set()
        assert await stopped(server) < 3
        assert last.is_set()


async def test_a_handler_that_was_held_up_in_write_has_its_last_words() -> None:
    cancelled = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 60_000)
        finally:
            cancelled.set()
            await response.write(b"y" * 100_000)  # so much that it waits for the client
            await response.write(b"last")

    async with serving(app_of(flood, until_shutdown()), shutdown_timeout=LONG) as server:
        client = (await server.dial()).get("/")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        stopping = asyncio.ensure_future(server.stop())
        await soon(cancelled)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answer = await client.rest()
        await stopping
    assert answer.complete
    assert answer.body.endswith(b"last")


@pytest.mark.parametrize("waits", ["receives", "receives, then lingers", "pushes", "waits"])
async def test_a_websocket_is_closed_with_1001_and_its_handler_ends(waits: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        begun.set()
        try:
            if waits.startswith("receives"):
                async for _ in socket:
                    pass
                if "lingers" in waits:
                    await asyncio.Event().wait()
            while waits == "pushes":
                await socket.send_str("tick")
                await asyncio.sleep(0.05)
            if waits == "waits":
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.set()
        return socket

    async with (
        serving(app_of(handler, until_shutdown()), shutdown_timeout=LONG) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.port}/") as socket,
    ):
        await soon(begun)
        took = asyncio.ensure_future(stopped(server))
        async for _ in socket:
            pass
        assert socket.close_code == 1001
        # Cancelled at once where no message would wake it, and after a second where one has.
        assert await took < (3 if "lingers" in waits else 0.9)
        assert ended.is_set()


async def test_a_websocket_whose_client_reads_nothing_holds_nothing_up() -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            while True:
                await socket.send_bytes(b"x" * 60_000)
        finally:
            ended.set()

    handshake = request(
        "GET",
        "/",
        Upgrade="websocket",
        Connection="Upgrade",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    async with serving(app_of(handler, until_shutdown()), shutdown_timeout=LONG) as server:
        client = (await server.dial()).send(handshake)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        assert await stopped(server) < 3
        assert ended.is_set()


async def test_a_handler_that_ignores_its_cancellation_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def stubborn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        begun.set()
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return response

    caplog.set_level(logging.INFO)
    async with serving(app_of(stubborn, until_shutdown()), shutdown_timeout=LONG) as server:
        (await server.dial()).send(request("GET", "/?secret"))
        await soon(begun)
        stopping = asyncio.ensure_future(server.stop())
        await until(lambda: "ignored" in caplog.text)
        gate.set()
        await stopping
    [record] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.name == "routeguard.until_shutdown"
    assert record.getMessage() == "GET / ignored its cancellation at shutdown"


async def test_its_end_is_told_once_and_quietly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    policies: list[Policy] = [until_shutdown(), errors(), timeout(20, total=100)]
    streaming = Streaming()
    async with streamed(streaming, *policies) as (server, client):
        await server.stop()
        assert not (await client.rest()).complete
    told = [one for one in caplog.records if one.name.startswith(("routeguard", "aiohttp"))]
    assert [(one.levelname, one.getMessage()) for one in told] == [
        ("INFO", "open responses that end at shutdown: 1")
    ]


async def test_observers_are_told_of_each_end() -> None:
    told: list[Event] = []
    streaming, other = Streaming("text/event-stream"), Streaming()
    app = web.Application()

    async def first(request: web.Request) -> web.StreamResponse:
        return await streaming(request)

    async def second(request: web.Request) -> web.StreamResponse:
        return await other(request)

    app.router.add_get("/first", first)
    app.router.add_get("/second", until_shutdown()(second))
    setup(app, rule("/first", until_shutdown()), observers=[told.append])
    async with serving(app, shutdown_timeout=LONG) as server:
        (await server.dial()).get("/first")
        (await server.dial()).get("/second")
        await soon(streaming.begun)
        await soon(other.begun)
        await server.stop()
    assert sorted((one.policy, one.action, one.route, one.place[:9]) for one in told) == [
        ("until_shutdown", "ended", "/first", 'rule 1 "/'),
        ("until_shutdown", "ended", "/second", "decorator"),
    ]


async def test_a_client_that_leaves_before_is_no_shutdown() -> None:
    """An outer cancellation stays what it is."""
    streaming = Streaming()
    async with serving(
        app_of(streaming, until_shutdown()), shutdown_timeout=LONG, handler_cancellation=True
    ) as server:
        client = (await server.dial()).get("/")
        await soon(streaming.begun)
        client.hang_up()
        await until(lambda: streaming.cancelled)
        assert await stopped(server) < 2


@pytest.mark.parametrize(
    "policies",
    [
        [rule("/*", until_shutdown())],
        [rule("/*", exempt(until_shutdown)), until_shutdown()],
    ],
    ids=["rule", "exempt"],
)
async def test_it_is_stated_like_any_other_policy(policies: list[Policy]) -> None:
    streaming = Streaming("text/event-stream")
    app = app_of(streaming, *policies)
    async with serving(app, shutdown_timeout=0.5) as server:
        client = (await server.dial()).get("/")
        await soon(streaming.begun)
        await server.stop()
        assert (await client.rest()).complete == (len(policies) == 1)


async def test_a_middleware_may_run_the_handler_in_a_task() -> None:
    """As `asyncio.wait_for` does before Python 3.12."""

    async def in_a_task(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await asyncio.ensure_future(handler(request))

    streaming = Streaming("text/event-stream")
    async with streamed(streaming, until_shutdown(), use(in_a_task)) as (server, client):
        assert await stopped(server) < 2
        assert (await client.rest()).complete
