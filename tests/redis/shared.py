"""A server process whose limit is counted in Redis: run it, or have gunicorn run it."""

import asyncio
import os
import sys

from aiohttp import web

import routeguard
from routeguard import concurrency_limit, rate_limit, rule, survey

LIMIT = 100


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=str(os.getpid()))


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(0.05)
    return web.Response(text=str(os.getpid()))


async def state(request: web.Request) -> web.Response:
    """The process, and whether its store is connected."""
    (told,) = survey(request.app).routes[0]["rate_limit"].considered
    return web.json_response([os.getpid(), told.status.endswith(": connected")])


def make_app(url: str) -> web.Application:
    app = web.Application()
    app.router.add_get("/hello", hello)
    app.router.add_get("/slow", slow)
    app.router.add_get("/state", state)
    routeguard.setup(
        app,
        rule("/hello", rate_limit(f"{LIMIT}/hour", store=url, name="hellos")),
        rule("/slow", concurrency_limit(2, waiting=3)),
    )
    return app


async def for_gunicorn() -> web.Application:
    """The factory that gunicorn is given, which each worker calls."""
    return make_app(os.environ["STORE"])


# With `--preload` this is made in the master, before it forks.
preloaded = make_app(os.environ["STORE"]) if os.environ.get("PRELOADED") else None


if __name__ == "__main__":
    web.run_app(
        make_app(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=None,
        print=lambda _: print(sys.argv[2], flush=True),
    )
