"""Shutdown: shielded work ends before the application's own cleanup, or is given up, on time.

On virtual time, with aiohttp's own runner: so minutes of waiting are exact and take no time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import pairwise, product

import pytest
from aiohttp import web

from routeguard import setup, shield
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

    async def close(self, app: web.Application) -> None:
        self.open = False

    async def work(self, request: web.Request) -> web.Response:
        await asyncio.sleep(20)
        self.write("row")
        return web.Response(text="written")


Register = Callable[[web.Application, Database], None]


def plain(register: Register, *, setup_first: bool) -> tuple[web.Application, Database]:
    """One application, written in either order."""
    database, app = Database(), web.Application()
    app.router.add_post("/", database.work)
    if setup_first:
        setup(app, shield)
    register(app, database)
    if not setup_first:
        setup(app, shield)
    return app, database


def nested(
    set_up: str, owner: str, *, mounted_first: bool = False, levels: int = 1
) -> tuple[web.Application, Database]:
    """Applications in each other; the work is the innermost one's, the database the owner's."""
    database, apps = Database(), [web.Application() for _ in range(levels + 1)]
    root, inner = apps[0], apps[-1]
    inner.router.add_post("/", database.work)
    if "inner" in set_up:
        setup(inner, shield)
    if "root" in set_up:
        setup(root, shield)
    if owner == "inner" or not mounted_first:
        context(inner if owner == "inner" else root, database)
    for outer, mounted in reversed(list(pairwise(apps))):
        outer.add_subapp("/sub", mounted)
    if owner == "root" and mounted_first:
        context(root, database)
    return root, database


def context(app: web.Application, database: Database) -> None:
    app.cleanup_ctx.append(database.context)


def cleanup(app: web.Application, database: Database) -> None:
    app.on_cleanup.append(database.close)


SITES: dict[str, Callable[[], tuple[web.Application, Database]]] = {
    "cleanup_ctx, then setup": lambda: plain(context, setup_first=False),
    "setup, then cleanup_ctx": lambda: plain(context, setup_first=True),
    "on_cleanup, then setup": lambda: plain(cleanup, setup_first=False),
    "setup, then on_cleanup": lambda: plain(cleanup, setup_first=True),
    "the innermost of three, alone": lambda: nested("inner", "root", levels=2),
    **{
        f"{set_up} set up, {owner}'s database{', later' * later}": partial(
            nested, set_up, owner, mounted_first=later
        )
        for set_up in ("inner", "root", "root and inner")
        for owner in ("root", "inner")
        for later in (False, True)
    },
}


@pytest.mark.parametrize("patience", [60, 5], ids=["aiohttp waits longer", "aiohttp gives up"])
@pytest.mark.parametrize("how", SITES)
def test_work_ends_before_the_applications_own_cleanup(how: str, patience: float) -> None:
    for connected, cancellation in product((False, True), repeat=2):
        root, database = SITES[how]()
        path = "/sub" * (2 if "three" in how else 1 if "set up," in how else 0) + "/"
        ended, statuses = run_virtually(
            partial(
                stop_amid_work,
                root,
                path,
                connected=connected,
                cancellation=cancellation,
                patience=patience,
            )
        )
        assert (database.written, database.refused) == (["row"], [])
        assert ended == pytest.approx(20, abs=0.1)
        # aiohttp parts with a client after twice its patience; the work goes on without it.
        assert statuses == ([200] if connected and patience > 10 else [])


async def stop_amid_work(
    root: web.Application,
    path: str,
    loop: VirtualLoop,
    *,
    connected: bool,
    cancellation: bool,
    patience: float,
) -> tuple[float, list[int]]:
    """When shutdown had ended that began two seconds into the work, and what the client got."""
    runner = web.AppRunner(
        root, access_log=None, handler_cancellation=cancellation, shutdown_timeout=patience
    )
    await runner.setup()
    assert runner.server is not None
    wire = Wire(runner.server).send(f"POST {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await asyncio.sleep(1)
    if not connected:
        wire.hang_up()
    await asyncio.sleep(1)
    await runner.cleanup()
    return loop.time(), [answer.status for answer in wire.answers()]
