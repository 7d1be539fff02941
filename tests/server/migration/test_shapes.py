"""`asyncio.shield` around a part of a handler, and `shield` around the whole, at a shutdown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web

import routeguard
from routeguard import shield
from tests.server.migration.shields import hang_up, post, serve
from tests.support.rawhttp import PATIENCE

Store = Callable[[], Awaitable[None]]


def by_hand(store: Store) -> web.Application:
    async def place(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.shield(store())
        return web.Response(text="placed")

    app = web.Application()
    app.router.add_post("/orders", place)
    return app


def after(store: Store) -> web.Application:
    @shield
    async def place(request: web.Request) -> web.Response:
        await request.read()
        await store()
        return web.Response(text="placed")

    app = web.Application()
    app.router.add_post("/orders", place)
    routeguard.setup(app)
    return app


@pytest.mark.parametrize(("make", "open_still"), [(by_hand, False), (after, True)])
async def test_the_database_is_open_while_the_part_is_stored(
    make: Callable[[Store], web.Application], open_still: bool
) -> None:
    begun, closed, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
    was_open = None

    async def store() -> None:
        nonlocal was_open
        begun.set()
        # By hand it goes on when the database has been closed; ours keeps it from closing.
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3 if make is after else PATIENCE):
                await closed.wait()
        was_open = not closed.is_set()
        finished.set()

    async def database(app: web.Application) -> AsyncIterator[None]:
        yield
        closed.set()

    app = make(store)
    app.cleanup_ctx.append(database)
    async with serve(app) as (_, port):
        await hang_up(port, post(), begun)
    async with asyncio.timeout(PATIENCE):
        await finished.wait()

    assert was_open is open_still


@pytest.mark.parametrize("make", [by_hand, after])
async def test_neither_is_stopped_by_its_client(
    make: Callable[[Store], web.Application],
) -> None:
    begun, left, stored = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def store() -> None:
        begun.set()
        await left.wait()
        stored.set()

    async with serve(make(store)) as (_, port):
        await hang_up(port, post(), begun)
        left.set()
        async with asyncio.timeout(PATIENCE):
            await stored.wait()
