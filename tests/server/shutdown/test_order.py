"""The order of a shutdown: who is told at once, who is waited for; and `shutting_down`."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from routeguard import ConfigError, setup, shield, shutting_down, until_shutdown
from routeguard.running.application import RUNNING, Service
from tests.support.serving import Server, serving, soon


class Stage:
    """An application with work that a test can hold, and a note of what happens in which order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.begun, self.gate = asyncio.Event(), asyncio.Event()

    async def work(self, request: web.Request) -> web.Response:
        self.begun.set()
        await self.gate.wait()
        self.happened.append("work done")
        return web.Response()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            self.happened.append("stream done")
        return response

    def watch(self, app: web.Application, name: str) -> None:
        """Notes what becomes of an application."""

        async def told(app: web.Application) -> None:
            self.happened.append(f"{name} told")

        async def context(app: web.Application) -> AsyncIterator[None]:
            yield
            self.happened.append(f"{name} cleaned up")

        app.on_shutdown.append(told)
        app.cleanup_ctx.append(context)


def mounted(stage: Stage, *set_up: str) -> tuple[web.Application, web.Application]:
    """An application in another; which of them are set up, and in what order they note."""
    root, inner = web.Application(), web.Application()
    inner.router.add_get("/work", shield(stage.work))
    inner.router.add_get("/stream", until_shutdown()(stage.stream))
    stage.watch(root, "root")
    if "inner" in set_up:
        setup(inner)
    stage.watch(inner, "inner")
    root.add_subapp("/inner", inner)
    if "root" in set_up:
        setup(root)
    return root, inner


async def begin_stopping(server: Server, stage: Stage) -> "asyncio.Task[None]":
    """Begins a shutdown whose work is held, and lets it get as far as it gets."""
    stopping = asyncio.ensure_future(server.stop())
    await asyncio.sleep(0.2)
    return stopping


@pytest.mark.parametrize("set_up", [["root"], ["inner"], ["root", "inner"]], ids=" and ".join)
async def test_everybody_is_told_at_once_and_nothing_is_cleaned_up_before_the_work(
    set_up: list[str],
) -> None:
    stage = Stage()
    root, _ = mounted(stage, *set_up)
    async with serving(root, shutdown_timeout=0.05) as server:
        (await server.dial()).get("/inner/work")
        await soon(stage.begun)
        stopping = await begin_stopping(server, stage)
        assert stage.happened == ["root told", "inner told"]
        stage.gate.set()
        await stopping
    assert stage.happened[2] == "work done"
    assert sorted(stage.happened[3:]) == ["inner cleaned up", "root cleaned up"]


@pytest.mark.parametrize("set_up", [["root"], ["inner"], ["root", "inner"]], ids=" and ".join)
async def test_streams_have_ended_before_anything_is_cleaned_up(set_up: list[str]) -> None:
    stage = Stage()
    root, _ = mounted(stage, *set_up)
    async with serving(root, shutdown_timeout=30) as server:
        (await server.dial()).get("/inner/stream")
        await soon(stage.begun)
        await server.stop()
    assert stage.happened[:3] == ["root told", "inner told", "stream done"]


@pytest.mark.parametrize("set_up", [["root"], ["inner"], ["root", "inner"]], ids=" and ".join)
async def test_idle_connections_are_closed_while_work_is_waited_for(set_up: list[str]) -> None:
    stage = Stage()
    root, _ = mounted(stage, *set_up)

    async def quick(request: web.Request) -> web.Response:
        return web.Response()

    root.router.add_get("/quick", quick)
    async with serving(root, shutdown_timeout=0.05) as server:
        idle = (await server.dial()).get("/quick")
        await idle.answer()
        (await server.dial()).get("/inner/work")
        await soon(stage.begun)
        stopping = await begin_stopping(server, stage)
        async with asyncio.timeout(5):
            assert await idle.reader.read() == b""
        assert not stopping.done()
        stage.gate.set()
        await stopping


async def test_shutting_down_of_either_is_true_from_the_beginning() -> None:
    stage = Stage()
    root, inner = mounted(stage, "root", "inner")
    seen: list[tuple[bool, bool]] = []

    async def told(app: web.Application) -> None:
        seen.append((shutting_down(root), shutting_down(inner)))

    root.on_shutdown.insert(0, told)
    root.on_shutdown.append(told)
    assert (shutting_down(root), shutting_down(inner)) == (False, False)
    async with serving(root):
        assert (shutting_down(root), shutting_down(inner)) == (False, False)
    assert seen == [(True, True), (True, True)]


async def test_an_application_that_is_served_again_is_not_shutting_down() -> None:
    stage = Stage()
    root, inner = mounted(stage, "inner")
    for _ in range(2):
        stage.happened.clear()
        stage.begun.clear()
        stage.gate.clear()
        async with serving(root, shutdown_timeout=0.05) as server:
            assert not shutting_down(inner)
            (await server.dial()).get("/inner/work")
            await soon(stage.begun)
            stopping = await begin_stopping(server, stage)
            assert shutting_down(inner)
            stage.gate.set()
            await stopping
        assert stage.happened[:3] == ["root told", "inner told", "work done"]


async def test_an_application_frozen_before_it_starts_is_cleaned_up_after_the_work() -> None:
    stage = Stage()
    root, _ = mounted(stage, "inner")
    root.pre_freeze()
    async with serving(root, shutdown_timeout=0.05) as server:
        (await server.dial()).get("/inner/work")
        await soon(stage.begun)
        stopping = await begin_stopping(server, stage)
        stage.gate.set()
        await stopping
    assert stage.happened.index("work done") < stage.happened.index("root cleaned up")


async def test_an_application_started_by_another_is_no_part_of_it() -> None:
    """Such as one for metrics, on a port of its own."""
    stage, outer = Stage(), web.Application()
    app = web.Application()
    setup(app)
    stage.watch(app, "app")
    stage.watch(outer, "outer")

    async def start(outer: web.Application) -> None:
        runner = web.AppRunner(app)
        await runner.setup()
        await runner.cleanup()
        assert shutting_down(app)

    outer.on_startup.append(start)
    async with serving(outer):
        assert stage.happened == ["app told", "app cleaned up"]


def test_shutting_down_is_known_of_applications_that_were_set_up() -> None:
    with pytest.raises(ConfigError, match=r"shutting_down\(.*\): .* was not given to setup"):
        shutting_down(web.Application())


async def test_a_body_that_can_no_longer_arrive_fails_at_once() -> None:
    begun = asyncio.Event()

    async def upload(request: web.Request) -> web.Response:
        begun.set()
        return web.Response(text=await request.text())

    app = web.Application()
    app.router.add_post("/", upload)
    setup(app, shield)
    async with serving(app, shutdown_timeout=30) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        await soon(begun)
        async with asyncio.timeout(5):
            await server.stop()
            answer = await client.rest()
    assert answer.status == 503
    assert b"shutting down" in answer.body


async def test_a_body_that_has_arrived_can_still_be_read() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def upload(request: web.Request) -> web.Response:
        begun.set()
        await gate.wait()
        return web.Response(text=await request.text())

    app = web.Application()
    app.router.add_post("/", upload)
    setup(app, shield)
    async with serving(app, shutdown_timeout=30) as server:
        client = (await server.dial()).post("/", b"whole")
        await soon(begun)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.1)
        gate.set()
        assert (await client.answer()).body == b"whole"
        await stopping


async def test_work_that_begins_during_the_shutdown_reads_no_body_either() -> None:
    held, gate = asyncio.Event(), asyncio.Event()

    @web.middleware
    async def slow(request: web.Request, handler: object) -> web.StreamResponse:
        held.set()
        await gate.wait()
        return await handler(request)  # type: ignore[operator,no-any-return]

    async def upload(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    app = web.Application()
    app.router.add_post("/", upload)
    setup(app, shield)
    app.middlewares.insert(0, slow)
    async with serving(app, shutdown_timeout=30) as server:
        client = await server.dial()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        await soon(held)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.1)
        gate.set()
        async with asyncio.timeout(5):
            await stopping
        assert (await client.rest()).status == 503


class Broken(Service):
    """A service that cannot be drained."""

    async def drain(self, until: float) -> None:
        raise RuntimeError("broken")


async def test_what_fails_to_drain_keeps_nobody_from_cleaning_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    app = web.Application()
    app.router.add_get("/work", stage.work)
    setup(app, shield)
    stage.watch(app, "app")
    async with serving(app, shutdown_timeout=0.05) as server:
        app[RUNNING].service(Broken)
        (await server.dial()).get("/work")
        await soon(stage.begun)
        stopping = await begin_stopping(server, stage)
        stage.gate.set()
        await stopping
    assert stage.happened == ["app told", "work done", "app cleaned up"]
    [record] = caplog.records
    assert (record.name, record.getMessage()) == ("routeguard", "Broken failed to drain")
