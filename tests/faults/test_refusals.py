"""Handlers that make cancelling them hard: none is declared finished, none leaks."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from routeguard import Policy, errors, setup, shield, shielded_count, timeout
from tests.support.serving import serving, soon, until

pytestmark = pytest.mark.faults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1


class Difficult:
    """Handlers that note what they have come to, and one gate that they wait for in the end."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.gate = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.children = 0
        self.ended: list[str] = []

    async def swallows(self, request: web.Request) -> web.Response:
        """Goes on as if nothing had happened."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
        await self.gate.wait()
        self.ended.append("swallowed")
        return web.Response(text="all the same")

    async def lingers(self, request: web.Request) -> web.Response:
        """Takes its time over cleaning up."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
            await self.gate.wait()
            self.ended.append("cleaned up")
        return web.Response()

    async def _child(self) -> None:
        self.children += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.children -= 1

    async def spawns_a_group(self, request: web.Request) -> web.Response:
        """Has a task group, whose children must end with it."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(self._child())
                await asyncio.sleep(0)
                self.begun.set()
        except asyncio.CancelledError:
            self.cancelled.set()
            self.ended.append("cancelled")
            raise
        return web.Response()

    async def spawns_a_stubborn_group(self, request: web.Request) -> web.Response:
        """Its children linger, and one of them fails on the way out."""

        async def lingering() -> None:
            try:
                await self._child()
            finally:
                self.cancelled.set()
                await self.gate.wait()

        async def failing() -> None:
            try:
                await self._child()
            finally:
                raise ValueError("on the way out")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(lingering())
                group.create_task(failing())
                await asyncio.sleep(0)
                self.begun.set()
        except* ValueError:
            self.ended.append("failed")
        return web.Response(text="recovered")


async def served(difficult: Difficult, handler: Handler, *policies: Policy) -> tuple[int, bytes]:
    """The answer that a client gets which stays."""
    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, *policies, drain=0)
    async with serving(app) as server:
        before = asyncio.all_tasks()
        client = (await server.dial()).get("/")
        await soon(difficult.cancelled)
        await asyncio.sleep(SHORT)
        assert not difficult.ended or "group" in handler.__name__
        difficult.gate.set()
        answer = await client.answer()
        client.hang_up()
        await until(lambda: asyncio.all_tasks() <= before)
    assert difficult.children == 0
    assert len(difficult.ended) == 1
    return answer.status, answer.body


@pytest.mark.parametrize("policy", [timeout(SHORT), timeout(None, total=SHORT)], ids=repr)
@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("swallows", 200, b"all the same"),
        ("lingers", 504, None),
        ("spawns_a_group", 504, None),
        ("spawns_a_stubborn_group", 200, b"recovered"),
    ],
)
async def test_under_a_deadline(
    name: str, status: int, body: bytes | None, policy: timeout
) -> None:
    difficult = Difficult()
    answered = await served(difficult, getattr(difficult, name), policy, errors())
    assert answered[0] == status
    assert body is None or answered[1] == body


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("swallows", 200),
        ("lingers", 504),
        ("spawns_a_group", 504),
        ("spawns_a_stubborn_group", 200),
    ],
)
async def test_under_a_shields_limit(name: str, status: int) -> None:
    difficult = Difficult()
    handler = getattr(difficult, name)
    assert (await served(difficult, handler, shield(limit=SHORT), errors()))[0] == status


@pytest.mark.parametrize(
    "name", ["swallows", "lingers", "spawns_a_group", "spawns_a_stubborn_group"]
)
@pytest.mark.parametrize("policies", [[], [timeout(50)], [timeout(50), errors()]], ids=str)
async def test_when_the_client_hangs_up(name: str, policies: list[Policy]) -> None:
    difficult = Difficult()
    app = web.Application()
    app.router.add_get("/", getattr(difficult, name))
    setup(app, *policies)
    async with serving(app, handler_cancellation=True) as server:
        before = asyncio.all_tasks()
        client = (await server.dial()).get("/")
        await soon(difficult.begun)
        client.hang_up()
        await soon(difficult.cancelled)
        difficult.gate.set()
        await until(lambda: asyncio.all_tasks() <= before)
    assert difficult.children == 0
    assert len(difficult.ended) == 1


@pytest.mark.parametrize(
    "name", ["swallows", "lingers", "spawns_a_group", "spawns_a_stubborn_group"]
)
async def test_when_shielded_work_is_given_up(name: str) -> None:
    """At shutdown; those that end within the grace have ended before the resources close."""
    difficult = Difficult()
    closed: list[list[str]] = []
    app = web.Application()
    app.router.add_get("/", getattr(difficult, name))
    setup(app, shield, drain=0)

    async def close(app: web.Application) -> None:
        closed.append(list(difficult.ended))

    async def open_the_gate() -> None:
        await difficult.cancelled.wait()
        difficult.gate.set()

    app.on_cleanup.append(close)
    async with serving(app, handler_cancellation=True) as server:
        before = asyncio.all_tasks()
        client = (await server.dial()).get("/")
        await soon(difficult.begun)
        client.hang_up()
        opener = asyncio.create_task(open_the_gate())
        await server.stop()
        await opener
        await until(lambda: asyncio.all_tasks() <= before)
    assert shielded_count(app) == 0
    assert difficult.children == 0
    assert closed == [difficult.ended]


async def test_swallowed_cancellations_in_numbers_leave_nothing() -> None:
    """Deadlines that are passed and ignored again and again, on kept connections."""

    async def swallows(request: web.Request) -> web.Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return web.Response(text="all the same")

    app = web.Application()
    app.router.add_get("/", swallows)
    setup(app, timeout(0.02))
    async with serving(app) as server:
        before = asyncio.all_tasks()
        clients = [await server.dial() for _ in range(100)]
        for _ in range(5):
            for client in clients:
                client.get("/")
            for client in clients:
                assert (await client.answer()).body == b"all the same"
        for client in clients:
            client.hang_up()
        await until(lambda: asyncio.all_tasks() <= before)
