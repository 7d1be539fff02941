"""A server that is asked to write rows and told to stop: `python -m tests.faults.writes`.

Each request stands for one row. Its handler waits until shutdown has begun, as one that talks to a
slow service might, so that every row depends on who waits for the work. Four applications differ
in nothing but in what is to keep the work alive.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web

from tests.faults.guards import GUARDS
from tests.support import loops

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ENVIRONMENT = "ROUTEGUARD_FAULTS_WRITES"
TABLE = "CREATE TABLE IF NOT EXISTS rows (value INTEGER)"


@dataclass(frozen=True, slots=True)
class Setting:
    """What varies from one trial to the next."""

    guard: str
    database: Path
    body: str
    """`unread`; or when the handler reads it, `early` or `late` (the client has gone long ago)."""
    closes: str
    """`never`; or when its cleanup context is written, `before` the guard or `after` it; or
    `around`, by the context of an application in which that with the guard is mounted."""
    cancellation: bool
    stays: bool = False
    """Whether the clients wait for their answers, instead of hanging up."""

    @property
    def prefix(self) -> str:
        """Where the application with the guard is."""
        return "/inside" if self.closes == "around" else ""

    def spelt(self) -> str:
        return json.dumps({**asdict(self), "database": str(self.database)})

    @classmethod
    def read(cls, text: str) -> "Setting":
        given = json.loads(text)
        return cls(**{**given, "database": Path(given["database"])})


def build(setting: Setting) -> web.Application:
    """The application of one trial."""
    database = sqlite3.connect(setting.database, isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute(TABLE)
    arrived = 0
    gate = asyncio.Event()

    async def write(request: web.Request) -> web.Response:
        value = int(request.query["value"])
        if setting.body == "early":
            value = (await request.json())["value"]
        await gate.wait()
        await asyncio.sleep(0.1)
        if setting.body == "late":
            value = (await request.json())["value"]
        database.execute("INSERT INTO rows VALUES (?)", (value,))
        return web.json_response({"written": value})

    async def count(request: web.Request) -> web.Response:
        return web.json_response(arrived)

    async def process(request: web.Request) -> web.Response:
        return web.json_response(os.getpid())

    @web.middleware
    async def arrivals(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal arrived
        arrived += request.method == "POST"
        return await handler(request)

    async def begin_shutdown(app: web.Application) -> None:
        gate.set()

    async def closing(app: web.Application) -> AsyncIterator[None]:
        yield
        database.close()

    app = web.Application()
    guard = GUARDS[setting.guard]
    app.router.add_post("/rows", guard.decorate(write))
    app.router.add_get("/arrived", count)
    app.router.add_get("/process", process)
    if setting.closes == "before":
        app.cleanup_ctx.append(closing)
    guard.install(app)
    if setting.closes == "after":
        app.cleanup_ctx.append(closing)
    app.middlewares.insert(0, arrivals)
    app.on_shutdown.insert(0, begin_shutdown)
    if setting.closes != "around":
        return app
    around = web.Application()
    around.cleanup_ctx.append(closing)
    around.add_subapp(setting.prefix, app)
    return around


async def for_gunicorn() -> web.AppRunner:
    """What gunicorn's aiohttp worker is pointed at."""
    setting = Setting.read(os.environ[ENVIRONMENT])
    return web.AppRunner(build(setting), access_log=None, handler_cancellation=setting.cancellation)


async def serve(app: web.Application, listening: socket.socket, *, cancellation: bool) -> None:
    """Serves by a runner of its own, until SIGTERM."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=cancellation)
    await runner.setup()
    await web.SockSite(runner, listening, backlog=4096).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting")
    parser.add_argument("--by", choices=["run_app", "runner"], default="run_app")
    arguments = parser.parse_args()
    setting = Setting.read(arguments.setting)
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listening.getsockname()[1], flush=True)
    if arguments.by == "run_app":
        web.run_app(
            build(setting),
            sock=listening,
            backlog=4096,
            access_log=None,
            print=None,
            handler_cancellation=setting.cancellation,
            loop=loops.new_event_loop(),
        )
    else:
        with asyncio.Runner(loop_factory=loops.new_event_loop) as running:
            running.run(serve(build(setting), listening, cancellation=setting.cancellation))


if __name__ == "__main__":
    main()
