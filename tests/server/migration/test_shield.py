"""What differs between `shield` and what protects handlers in aiohttp-middlewares and aiojobs."""

import asyncio
import gc
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

import aiohttp
import aiojobs.aiohttp
import pytest
from aiohttp import web
from aiohttp_middlewares.shield import shield_middleware

import routeguard
from routeguard import shield
from tests.server.migration.shields import (
    AIOJOBS,
    MIDDLEWARES,
    ROUTEGUARD,
    Handler,
    Side,
    as_coroutine,
    gone,
    hang_up,
    post,
    serve,
)
from tests.support.rawhttp import PATIENCE, Reply, read_reply

PEERS = (MIDDLEWARES, AIOJOBS)
EVERYONE = (*PEERS, ROUTEGUARD)

pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")


# Until Python 3.13 only when the garbage collector comes by; from 3.14 on at once, unless the work
# fails before the request is cancelled.
LOST = {"Task exception was never retrieved"}
if sys.version_info >= (3, 14):
    LOST.add("LookupError exception in shielded future")


@contextmanager
def losses() -> Iterator[list[str]]:
    """What asyncio tells its log of failures that nobody asked for."""
    found: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        found.append(record.getMessage())
        return False

    logger = logging.getLogger("asyncio")
    logger.addFilter(keep)
    try:
        yield found
    finally:
        logger.removeFilter(keep)


@pytest.mark.parametrize("side", EVERYONE, ids=str)
async def test_shutdown_waits_for_the_write_before_the_database_closes(side: Side) -> None:
    closed, begun, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
    stored_before_closing = False

    async def place(request: web.Request) -> web.Response:
        nonlocal stored_before_closing
        begun.set()
        await gone(request)
        # A peer's work goes on when the database has been closed; ours keeps it from closing.
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3 if side is ROUTEGUARD else PATIENCE):
                await closed.wait()
        stored_before_closing = not closed.is_set()
        finished.set()
        return web.Response()

    async def database(app: web.Application) -> AsyncIterator[None]:
        yield
        closed.set()

    app = side.protect(place)
    app.cleanup_ctx.append(database)  # as a library does that is set up after aiojobs
    async with serve(app) as (_, port):
        await hang_up(port, post(), begun)
    async with asyncio.timeout(PATIENCE):
        await finished.wait()
    assert stored_before_closing is (side is ROUTEGUARD)


@pytest.mark.parametrize("side", EVERYONE, ids=str)
async def test_a_failure_after_the_client_has_gone_is_logged(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    begun, failing = asyncio.Event(), asyncio.Event()

    async def place(request: web.Request) -> web.Response:
        begun.set()
        await gone(request)
        failing.set()
        raise LookupError("no such book")

    with losses() as found:
        async with serve(side.protect(place)) as (_, port):
            await hang_up(port, post(), begun)
            async with asyncio.timeout(PATIENCE):
                await failing.wait()
        at_once = [record for record in caplog.records if record.exc_info]
        gc.collect()
    if side is ROUTEGUARD:
        assert [record.name for record in at_once] == ["routeguard.shield"]
        assert "POST /orders" in at_once[0].getMessage()
        assert found == []
    else:
        # Without a word on the request.
        assert at_once == []
        assert len(found) == 1
        assert found[0].splitlines()[0] in LOST
        assert "POST" not in found[0]


@pytest.mark.parametrize("side", EVERYONE, ids=str)
async def test_a_body_that_had_arrived_can_be_read_after_the_client_has_gone(side: Side) -> None:
    begun = asyncio.Event()
    read: asyncio.Future[bytes | type[BaseException]] = asyncio.Future()

    async def place(request: web.Request) -> web.Response:
        begun.set()
        await gone(request)
        try:
            read.set_result(await request.read())
        except ConnectionError:
            read.set_result(ConnectionError)
        return web.Response()

    async with serve(side.protect(place)) as (_, port):
        await hang_up(port, post(b'{"book": 7}'), begun)
        async with asyncio.timeout(PATIENCE):
            found = await read
    assert found == (b'{"book": 7}' if side is ROUTEGUARD else ConnectionError)


async def _after_a_timeout(side: Side) -> tuple[Reply, Reply]:
    """Two requests on one connection: the first times out, and its work streams after that."""
    release, streamed = asyncio.Event(), asyncio.Event()

    async def place(request: web.Request) -> web.StreamResponse:
        try:
            await release.wait()
            response = web.StreamResponse(headers={"Content-Length": "4"})
            await response.prepare(request)
            await response.write(b"late")
            return response
        finally:
            streamed.set()

    async def reports(request: web.Request) -> web.Response:
        return web.Response(text="reports")

    app = side.bound(place, 0.05)
    app.router.add_get("/reports", reports)
    async with serve(app) as (_, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post())
        head = await reader.readuntil(b"\r\n\r\n")
        first = read_reply(head)
        await reader.readexactly(int(str(first.headers["Content-Length"])))
        release.set()
        await streamed.wait()
        writer.write(b"GET /reports HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        second = read_reply(await reader.read())
        writer.close()
    return first, second


@pytest.mark.parametrize("side", EVERYONE, ids=str)
async def test_the_next_answer_on_the_connection_belongs_to_the_next_request(side: Side) -> None:
    first, second = await _after_a_timeout(side)
    assert first.status == (504 if side is ROUTEGUARD else 500)
    assert second.body == (b"reports" if side is ROUTEGUARD else b"late")


def _one_job_at_a_time(handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_post("/orders", aiojobs.aiohttp.atomic(as_coroutine(handler)))
    aiojobs.aiohttp.setup(app, limit=1)
    return app


@pytest.mark.parametrize(
    ("build", "at_once"), [(_one_job_at_a_time, 1), (ROUTEGUARD.protect, 2)], ids=["aiojobs", "us"]
)
async def test_a_limit_on_jobs_makes_clients_wait(
    build: Callable[[Handler], web.Application], at_once: int
) -> None:
    release, both, running = asyncio.Event(), asyncio.Event(), 0

    async def place(request: web.Request) -> web.Response:
        nonlocal running
        running += 1
        if running == 2:
            both.set()
        await release.wait()
        return web.Response()

    async with serve(build(place)) as (_, port), aiohttp.ClientSession() as session:

        async def ask() -> int:
            async with session.post(f"http://127.0.0.1:{port}/orders") as response:
                return response.status

        asked = [asyncio.create_task(ask()) for _ in range(2)]
        with suppress(TimeoutError):
            # The second one's turn never comes under a limit; without, it comes at once.
            async with asyncio.timeout(0.3 if at_once == 1 else PATIENCE):
                await both.wait()
        assert running == at_once
        release.set()
        assert await asyncio.gather(*asked) == [200, 200]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_atomic_needs_its_setup_and_shield_without_setup_does_nothing() -> None:
    async def place(request: web.Request) -> web.Response:
        return web.Response(text="placed")

    app = web.Application()
    app.router.add_post("/atomic", aiojobs.aiohttp.atomic(place))
    app.router.add_post("/shielded", shield(place))
    async with serve(app) as (_, port), aiohttp.ClientSession() as session:
        found = []
        for path in ("/atomic", "/shielded"):
            async with session.post(f"http://127.0.0.1:{port}{path}") as response:
                found.append(response.status)
    assert found == [500, 200]


def _everything_shielded_by_middleware(handler: Handler) -> web.Application:
    every_url = [re.compile(r".*")]
    app = web.Application(middlewares=[shield_middleware(urls=every_url)])
    app.router.add_get("/socket", handler)
    return app


def _everything_shielded(handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_get("/socket", handler)
    routeguard.setup(app, shield)
    return app


@pytest.mark.parametrize(
    ("build", "is_cancelled"),
    [(_everything_shielded_by_middleware, False), (_everything_shielded, True)],
    ids=["aiohttp-middlewares", "routeguard"],
)
async def test_a_websocket_ends_with_its_client_though_everything_is_shielded(
    build: Callable[[Handler], web.Application], is_cancelled: bool
) -> None:
    release, ended, cancelled = asyncio.Event(), asyncio.Event(), False

    async def socket(request: web.Request) -> web.WebSocketResponse:
        nonlocal cancelled
        response = web.WebSocketResponse()
        await response.prepare(request)
        try:
            await gone(request)
            await release.wait()
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            ended.set()
        return response

    async with serve(build(socket)) as (_, port), aiohttp.ClientSession() as session:
        connection = await session.ws_connect(
            f"http://127.0.0.1:{port}/socket", timeout=aiohttp.ClientWSTimeout(ws_close=0.01)
        )
        await connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE if is_cancelled else 0.3):
                await ended.wait()
        assert cancelled is is_cancelled
        release.set()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
