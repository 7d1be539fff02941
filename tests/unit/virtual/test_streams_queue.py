"""Many silent streams behind one timer, on virtual time and aiohttp's own protocol."""

import asyncio

import pytest
from aiohttp import web

from routeguard import setup, shield, timeout
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

IDLE = timeout(None, idle=3)


async def stream_to(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    return stream


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
