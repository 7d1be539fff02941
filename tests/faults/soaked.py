"""A server that uses every policy, and tells how it is: `python -m tests.faults.soaked`."""

import asyncio
import collections
import gc
import json
import os
import random
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

import routeguard
from routeguard import cors, csrf, deadline, errors, https, rule, shield, shielded_count, timeout
from routeguard.bounded import Bounded
from tests.support import loops


def resident() -> int:
    """The bytes of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def quick(request: web.Request) -> web.Response:
    return web.json_response({"id": request.match_info.get("id"), "by": request.scheme})


async def fails(request: web.Request) -> web.Response:
    raise random.choice([KeyError("x"), web.HTTPConflict(), TimeoutError(), ValueError("y")])


async def sleeps(request: web.Request) -> web.Response:
    """For longer than it may, now and then; now and then it takes more time."""
    if request.query.get("longer"):
        deadline(request).extend(0.05)
    await asyncio.sleep(float(request.query["seconds"]))
    return web.Response(text="awake")


@shield
async def pays(request: web.Request) -> web.Response:
    data = await request.read()
    await asyncio.sleep(random.uniform(0, 0.05))
    request.app[PAID].append(len(data))
    return web.Response(text=str(len(data)))


@shield(limit=0.1)
async def gives_up(request: web.Request) -> web.Response:
    await asyncio.sleep(random.choice([0.01, 0.2]))
    return web.Response(text="in time")


@timeout(1, idle=0.2, total=2)
async def streams(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    for _ in range(int(request.query["chunks"])):
        await stream.write(bytes(2_000))
        await asyncio.sleep(0.005)
    if request.query.get("falls") == "silent":
        await asyncio.sleep(1)
    return stream


async def chats(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=5)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def sends_file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(__file__)


@web.middleware
async def passing(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    return response


async def vitals(request: web.Request) -> web.Response:
    """How the process is, when what is garbage has been collected."""
    gc.collect()
    loop = asyncio.get_running_loop()
    scheduled = getattr(loop, "_scheduled", None)
    if scheduled is None:  # uvloop keeps its timers to itself
        scheduled = [one for one in gc.get_objects() if type(one).__name__ == "TimerHandle"]
    ours: collections.Counter[str] = collections.Counter()
    tables: dict[str, list[int]] = {}
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).startswith("routeguard"):
            ours[kind.__qualname__] += 1
        if isinstance(one, Bounded):
            tables.setdefault(str(one._limit), []).append(len(one))
    return web.json_response(
        {
            "memory": resident(),
            "blocks": sys.getallocatedblocks(),
            "tasks": len(asyncio.all_tasks()),
            "timers": sum(not timer.cancelled() for timer in scheduled),
            "files": len(os.listdir("/proc/self/fd")),
            "shielded": shielded_count(request.app),
            "paid": len(request.app[PAID]),
            "objects": ours,
            "tables": tables,
        }
    )


PAID = web.AppKey("paid", collections.deque[int])


async def closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.sleep(0)


def build() -> web.Application:
    app = web.Application()
    app[PAID] = collections.deque(maxlen=100_000)
    app.cleanup_ctx.append(closing)
    app.router.add_get("/quick", quick)
    app.router.add_get("/things/{id}", quick)
    app.router.add_get("/things/{id}/{tail:.*}", quick)
    app.router.add_put("/things/{id}", quick)
    app.router.add_get("/fails", fails)
    app.router.add_get("/sleeps", sleeps)
    app.router.add_post("/pays", pays)
    app.router.add_post("/gives-up", gives_up)
    app.router.add_get("/streams", streams)
    app.router.add_get("/chats", chats)
    app.router.add_get("/file", sends_file)
    app.router.add_get("/vitals", routeguard.exempt(cors, timeout, errors)(vitals))
    routeguard.setup(
        app,
        rule(re.compile(r"/things/secret-\d+$"), timeout(2)),
        rule("/things/*", cors(["https://*.a.example", "https://b.example"], max_age=60)),
        rule("/sleeps", timeout(0.1), routeguard.use(passing)),
        timeout(5),
        cors("https://page.example", allow_credentials=True),
        errors(routeguard.problem_details),
        https(hsts=60),
        csrf(trusted_origins="https://page.example"),
    )
    return app


async def main() -> None:
    runner = web.AppRunner(build(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(json.dumps(runner.addresses[0][1]), flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loops.new_event_loop) as running:
        running.run(main())
