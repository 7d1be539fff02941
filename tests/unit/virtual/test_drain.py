"""`drain`: how long shutdown waits for shielded work, and what it says of what it gives up.

On virtual time, with aiohttp's own runner: so minutes of waiting are exact and take no time.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web

from routeguard import Policy, rule, setup, shield, shielded_count, timeout
from tests.support.virtual import VirtualLoop, Wire, run_virtually

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Database:
    """What an application closes at cleanup and work still needs."""

    def __init__(self) -> None:
        self.open = True
        self.written: list[str] = []
        self.refused: list[str] = []

    def write(self, row: str) -> None:
        (self.written if self.open else self.refused).append(row)

    async def context(self, app: web.Application) -> AsyncIterator[None]:
        yield
        self.open = False


def context(app: web.Application, database: Database) -> None:
    app.cleanup_ctx.append(database.context)


def served(
    handler: Handler,
    *policies: Policy,
    drain: float,
    before: float = 2,
    connected: bool = False,
    shutdown_timeout: float = 0,
) -> tuple[float, Database]:
    """Runs one request, shuts down after a while, and tells how long the shutdown took."""
    database = Database()

    async def main(loop: VirtualLoop) -> float:
        app = web.Application()
        app["database"] = database
        app.router.add_route("*", "/work", handler)
        setup(app, *policies, drain=drain)
        context(app, database)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=shutdown_timeout
        )
        await runner.setup()
        assert runner.server is not None
        wire = Wire(runner.server).send(b"PUT /work?secret HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(before / 2)
        if not connected:
            wire.hang_up()
        await asyncio.sleep(before / 2)
        start = loop.time()
        await runner.cleanup()
        assert shielded_count(app) in (0, 1)
        return loop.time() - start

    return run_virtually(main), database


pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")


async def endless(request: web.Request) -> web.Response:
    try:
        await asyncio.Event().wait()
    finally:
        request.app["database"].write("finally")
    return web.Response()


@pytest.mark.parametrize("connected", [False, True], ids=["gone", "connected"])
@pytest.mark.parametrize("drain", [0, 5, 300])
def test_drain_bounds_the_wait(
    drain: float, connected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    took, database = served(endless, shield, drain=drain, connected=connected)
    assert took == pytest.approx(drain, abs=0.1)
    assert (database.written, database.refused) == (["finally"], [])
    [record] = caplog.records
    assert record.levelno >= logging.WARNING
    assert record.name == "routeguard.shield"


def test_what_is_given_up_is_named_with_its_age(caplog: pytest.LogCaptureFixture) -> None:
    served(endless, shield, drain=5, before=10)
    [record] = caplog.records
    message = record.getMessage()
    assert "PUT /work " in message
    assert "secret" not in message
    assert "15.0 s" in message  # ten before, five of draining


def test_a_short_finally_block_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.875)
            request.app["database"].write("finally")
        return web.Response()

    took, database = served(handler, shield, drain=5)
    assert took == pytest.approx(5.875, abs=0.1)
    assert (database.written, database.refused) == (["finally"], [])
    assert len(caplog.records) == 1


def test_a_long_finally_block_is_not(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(60)
        return web.Response()

    took, _ = served(handler, shield, drain=5)
    assert took == pytest.approx(6, abs=0.1)
    assert all("/work" in record.getMessage() for record in caplog.records)


def test_work_that_refuses_to_be_cancelled_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stubborn(request: web.Request) -> web.Response:
        until = asyncio.get_running_loop().time() + 60
        while (left := until - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue
        return web.Response()

    took, _ = served(stubborn, shield, drain=5)
    assert took == pytest.approx(6, abs=0.1)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("given up" in message for message in messages) == 1
    assert sum("ignored its cancellation" in message for message in messages) == 1


def test_drain_counts_from_the_beginning_of_shutdown() -> None:
    """Also where it takes aiohttp its own while to part with a client that is connected still."""

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(1000)
        return web.Response()

    # Unshielded and connected: aiohttp waits for it, twice its timeout at most, after our drain.
    took, _ = served(handler, timeout(None), drain=50, connected=True, shutdown_timeout=3)
    assert took <= 6.1
    took, _ = served(handler, shield, drain=4, connected=True, shutdown_timeout=60)
    assert took == pytest.approx(4, abs=0.1)


def test_with_nothing_in_flight_shutdown_takes_no_time() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    took, _ = served(handler, shield, drain=300)
    assert took == 0


@dataclass(frozen=True, slots=True)
class Slow(Policy):
    """Holds a request up, outside the shield."""

    seconds: float

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(self.seconds)
        return await handler(request)


@pytest.mark.parametrize(
    "busy", [None, 3, 20], ids=["nothing else", "beside shorter work", "beside longer work"]
)
def test_work_that_begins_during_shutdown_is_waited_for(busy: float | None) -> None:
    database = Database()

    async def late(request: web.Request) -> web.Response:
        await asyncio.sleep(10)
        database.write("late")
        return web.Response()

    async def early(request: web.Request) -> web.Response:
        await asyncio.sleep(busy or 0)
        database.write("early")
        return web.Response()

    async def main(loop: VirtualLoop) -> float:
        app = web.Application()
        app.router.add_get("/late", late)
        app.router.add_get("/early", early)
        setup(app, rule("/late", Slow(5)), shield)
        context(app, database)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=60)
        await runner.setup()
        assert runner.server is not None
        if busy:
            Wire(runner.server).get("/early")
        wire = Wire(runner.server).get("/late")
        await asyncio.sleep(1)
        wire.hang_up()
        assert shielded_count(app) == bool(busy)
        await runner.cleanup()
        return loop.time()

    ended = run_virtually(main)
    assert sorted(database.written) == (["early", "late"] if busy else ["late"])
    assert database.refused == []
    assert ended == pytest.approx(max(15, busy or 0), abs=0.1)


def test_work_that_begins_beside_other_work_is_waited_for_before_a_parents_cleanup() -> None:
    """A sub-application set up alone has only the beginning of shutdown for that."""
    database = Database()

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(10)
        database.write(request.path)
        return web.Response()

    async def main(loop: VirtualLoop) -> float:
        app, root = web.Application(), web.Application()
        app.router.add_get("/early", handler)
        app.router.add_get("/late", handler)
        setup(app, rule("/late", Slow(5)), shield)
        root.add_subapp("/sub", app)
        context(root, database)
        runner = web.AppRunner(root, access_log=None, shutdown_timeout=0)
        await runner.setup()
        assert runner.server is not None
        wires = [Wire(runner.server).get(f"/sub/{name}") for name in ("early", "late")]
        await asyncio.sleep(1)
        for wire in wires:
            wire.hang_up()
        await runner.cleanup()
        return loop.time()

    assert run_virtually(main) == pytest.approx(15, abs=0.1)
    assert (database.written, database.refused) == (["/sub/early", "/sub/late"], [])


def test_work_that_begins_too_late_is_given_up_within_the_same_bound() -> None:
    database = Database()

    async def main(loop: VirtualLoop) -> float:
        async def handler(request: web.Request) -> web.Response:
            try:
                await asyncio.sleep(1000)
            finally:
                database.write("finally")
            return web.Response()

        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, Slow(5), shield, drain=8)
        context(app, database)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=6)
        await runner.setup()
        assert runner.server is not None
        Wire(runner.server).get("/")
        await asyncio.sleep(1)
        start = loop.time()
        await runner.cleanup()
        return loop.time() - start

    # aiohttp alone would wait for six seconds and six more; nothing is left after the eighth.
    assert run_virtually(main) == pytest.approx(8, abs=0.1)
    assert (database.written, database.refused) == (["finally"], [])


def test_work_that_begins_after_the_drain_is_given_up_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """aiohttp still waits for its client, which waits outside the shield."""
    database = Database()

    async def main(loop: VirtualLoop) -> float:
        async def handler(request: web.Request) -> web.Response:
            try:
                await asyncio.sleep(1000)
            finally:
                database.write("finally")
            return web.Response()

        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, Slow(5), shield, drain=2)
        context(app, database)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=60)
        await runner.setup()
        assert runner.server is not None
        Wire(runner.server).get("/")
        await asyncio.sleep(1)
        start = loop.time()
        await runner.cleanup()
        return loop.time() - start

    assert run_virtually(main) == pytest.approx(4, abs=0.1)
    assert (database.written, database.refused) == (["finally"], [])
    assert [record.getMessage() for record in caplog.records] == [
        "shielded GET / given up at shutdown after 0.0 s"
    ]


def test_a_start_that_fails_is_cleaned_up_at_once() -> None:
    async def fail(app: web.Application) -> None:
        raise RuntimeError("no database")

    async def main(loop: VirtualLoop) -> float:
        app = web.Application()
        setup(app, shield)
        app.on_startup.append(fail)
        runner = web.AppRunner(app)
        with pytest.raises(RuntimeError, match="no database"):
            await runner.setup()
        await runner.cleanup()
        return loop.time()

    assert run_virtually(main) == 0
