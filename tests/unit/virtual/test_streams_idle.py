"""When exactly a silent stream is cut, on virtual time and aiohttp's own protocol."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from routeguard import Policy, deadline, setup, timeout
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


def test_writing_after_the_end_does_not_start_the_clock() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = await stream_to(request)
        await stream.write_eof(b"all")
        with pytest.raises(RuntimeError):
            await stream.write(b"more")
        await asyncio.sleep(50)
        return stream

    assert cut_at(handler, IDLE) is None


@pytest.mark.parametrize("fails", [False, True], ids=["", "failed"])
def test_a_write_that_outlasts_its_handler_leaves_no_clock_running(fails: bool) -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        writing: list[asyncio.Task[None]] = []

        async def handler(request: web.Request) -> web.StreamResponse:
            stream = await stream_to(request)
            writing.append(asyncio.create_task(stream.write(bytes(100_000))))
            await asyncio.sleep(1)
            if fails:
                raise ValueError
            return stream

        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, timeout(None, idle=30))
        [server] = await started(app)
        wire = Wire(server)
        wire.stall()
        wire.get("/")
        await asyncio.sleep(2)
        if not wire.closed:
            wire.go_on()
        await asyncio.gather(*writing, return_exceptions=True)
        await asyncio.sleep(1)
        return loop.standing()

    assert run_virtually(main) == []


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
