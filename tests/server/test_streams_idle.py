"""When exactly a silent stream is cut, on virtual time and aiohttp's own protocol."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from routeguard import Policy, deadline, setup, shield, timeout
from tests.faults.virtual import VirtualLoop, Wire, run_virtually, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def ask(
    loop: VirtualLoop, app: web.Application, paths: list[str] | None = None
) -> dict[str, float]:
    """Asks for paths, a second apart; tells when each connection was closed."""
    [server] = await started(app)
    closed: dict[str, float] = {}
    open_wires = {}
    for path in paths or ["/"]:
        open_wires[path] = Wire(server).get(path)
        await asyncio.sleep(1)
    for _ in range(400):
        for path, wire in list(open_wires.items()):
            if wire.closed:
                closed[path] = loop.time() - 0.5
                del open_wires[path]
        await asyncio.sleep(0.5)
    for wire in open_wires.values():
        wire.hang_up()
    assert loop.standing() == []
    return closed


def cut_at(handler: Handler, *policies: Policy) -> float | None:
    """When the handler of a stream was cancelled; `None` where it was not."""
    cancelled: list[float] = []

    async def noting(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except asyncio.CancelledError:
            cancelled.append(asyncio.get_running_loop().time())
            raise

    app = web.Application()
    app.router.add_get("/", noting)
    setup(app, *policies, drain=0)

    async def main(loop: VirtualLoop) -> float | None:
        [server] = await started(app)
        wire = Wire(server).get("/")
        await asyncio.sleep(200)
        assert loop.standing() == []
        [answer] = wire.answers()
        assert answer.complete == (not cancelled)
        return cancelled[0] if cancelled else None

    return run_virtually(main)


async def stream_to(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    return stream


IDLE = timeout(None, idle=3)


def test_silence_counts_from_the_headers() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(10)  # not silence inside a stream
        stream = await stream_to(request)
        await asyncio.sleep(100)
        return stream

    assert cut_at(handler, IDLE) == 13


def test_silence_counts_from_each_chunk_anew() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        for seconds in (2.5, 1, 2.75, 0.5):
            await asyncio.sleep(seconds)
            await stream.write(b"x")
        await asyncio.sleep(100)
        return stream

    assert cut_at(handler, IDLE) == 6.75 + 3


def test_a_chunk_at_the_last_moment_is_in_time() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        for _ in range(20):
            await asyncio.sleep(2.9999)
            await stream.write(b"x")
        await stream.write_eof()
        return stream

    assert cut_at(handler, IDLE) is None


def test_after_the_end_there_is_no_silence() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        await stream.write_eof(b"all")
        await asyncio.sleep(50)  # tidies up, say
        return stream

    assert cut_at(handler, IDLE) is None


def test_a_response_that_the_handler_returns_is_not_watched() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(50)
        return web.Response(text="x")

    assert cut_at(handler, IDLE) is None


def test_a_plain_response_that_the_handler_prepares_is_watched() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="x")
        await response.prepare(request)
        await response.write_eof()
        await asyncio.sleep(50)
        return response

    assert cut_at(handler, IDLE) is None


def test_a_blocked_write_is_not_silence_and_silence_counts_from_its_end() -> None:
    async def main(loop: VirtualLoop) -> float | None:
        cancelled: float | None = None

        async def handler(request: web.Request) -> web.StreamResponse:
            nonlocal cancelled
            stream = await stream_to(request)
            try:
                await stream.write(bytes(100_000))
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled = loop.time()
                raise
            return stream

        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, IDLE)
        [server] = await started(app)
        wire = Wire(server)
        wire.stall()
        wire.get("/")
        await asyncio.sleep(20)
        assert cancelled is None
        wire.go_on()
        await asyncio.sleep(100)
        return cancelled

    assert run_virtually(main) == 23


def test_one_of_two_writers_being_blocked_is_not_silence() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        cancelled: list[float] = []

        async def handler(request: web.Request) -> web.StreamResponse:
            stream = await stream_to(request)
            first = asyncio.create_task(stream.write(bytes(100_000)))
            try:
                await asyncio.sleep(1)
                await stream.write(b"x")  # goes through, while the first is blocked still
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled.append(loop.time())
                raise
            finally:
                await first
            return stream

        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, IDLE)
        [server] = await started(app)
        wire = Wire(server)
        wire.stall()
        wire.get("/")
        await asyncio.sleep(30)
        assert cancelled == []
        wire.go_on()
        await asyncio.sleep(100)
        return cancelled

    assert run_virtually(main) == [33]


def test_lifting_and_extending_are_not_about_silence() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        deadline(request).extend(50)
        deadline(request).lift()
        await asyncio.sleep(100)
        return stream

    assert cut_at(handler, timeout(None, idle=3, total=20)) == 3


def test_total_cuts_a_stream_that_is_never_silent() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        while True:
            await asyncio.sleep(0.25)
            await stream.write(b"x")

    assert cut_at(handler, timeout(5, idle=3, total=20)) == 20


def test_the_nearest_of_idle_and_total_cuts() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        await asyncio.sleep(100)
        return stream

    assert cut_at(handler, timeout(5, idle=3, total=2)) == 2
    assert cut_at(handler, timeout(5, idle=2, total=3)) == 2


def test_a_shielded_stream_is_cut_on_time_and_its_handler_goes_on() -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, str, float]:
        outcome, ended = "", 0.0

        async def handler(request: web.Request) -> web.StreamResponse:
            nonlocal outcome, ended
            stream = await stream_to(request)
            await stream.write(b"some")
            await asyncio.sleep(10)
            try:
                await stream.write(b"more")
            except ConnectionError:
                outcome = "refused"
            ended = loop.time()
            return stream

        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, IDLE, shield)
        [server] = await started(app)
        wire = Wire(server).get("/")
        await asyncio.sleep(3.5)
        closed = wire.closed
        await asyncio.sleep(20)
        [answer] = wire.answers()
        assert (answer.body, answer.complete) == (b"some", False)
        return closed, outcome, ended

    assert run_virtually(main) == (True, "refused", 10)


def test_each_of_many_streams_is_cut_by_its_own_silence() -> None:
    """One timer serves them all, though each chunk sends its stream to the back of the queue."""

    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        for _ in range(int(request.match_info["chunks"])):
            await asyncio.sleep(1)
            await stream.write(b"x")
        await asyncio.sleep(1000)
        return stream

    app = web.Application()
    app.router.add_get("/{chunks}", handler)
    setup(app, timeout(None, idle=5))
    paths = [f"/{chunks}" for chunks in (7, 0, 30, 2, 90, 1)]
    closed = run_virtually(lambda loop: ask(loop, app, paths))
    expected = {path: i + int(path[1:]) + 5 for i, path in enumerate(paths)}
    assert closed == pytest.approx(expected, abs=0.5)


def test_a_second_response_does_not_delay_the_streams_behind_it() -> None:
    """A handler that prepares two responses is at fault; others must not suffer for it."""

    async def twice(request: web.Request) -> web.StreamResponse:
        await stream_to(request)
        await asyncio.sleep(4)
        stream = await stream_to(request)
        await asyncio.sleep(1000)
        return stream

    async def once(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        await asyncio.sleep(1000)
        return stream

    app = web.Application()
    app.router.add_get("/twice", twice)
    app.router.add_get("/once", once)
    setup(app, timeout(None, idle=5))
    closed = run_virtually(lambda loop: ask(loop, app, ["/twice", "/once"]))
    assert closed["/once"] == pytest.approx(6, abs=0.5)
