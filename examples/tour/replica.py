"""A second server of the same API, which a card may stop: what a deploy does to its clients."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from examples.tour.wire import AccessLogger

HOST = "127.0.0.1"
REPLICAS = web.AppKey("replicas", dict[int, web.AppRunner])


def offer_replicas(api: web.Application, make_api: Callable[[], web.Application]) -> None:
    """Has pages start servers of an application of their own, and stop them."""

    async def start(request: web.Request) -> web.Response:
        runner = web.AppRunner(
            make_api(),
            access_log=logging.getLogger("tour.api"),
            access_log_class=AccessLogger,
            shutdown_timeout=3,
        )
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        port = runner.addresses[0][1]
        request.app[REPLICAS][port] = runner
        return web.json_response({"port": port, "origin": f"http://{HOST}:{port}"}, status=201)

    async def stop(request: web.Request) -> web.Response:
        runner = request.app[REPLICAS].pop(int(request.match_info["port"]), None)
        if runner is None:
            raise web.HTTPNotFound
        began = time.monotonic()
        await runner.cleanup()
        return web.json_response({"seconds": round(time.monotonic() - began, 2)})

    async def replicas(api: web.Application) -> AsyncIterator[None]:
        api[REPLICAS] = {}
        yield
        await asyncio.gather(*(runner.cleanup() for runner in api[REPLICAS].values()))

    api.router.add_post("/replicas", start)
    api.router.add_delete(r"/replicas/{port:\d{1,5}}", stop)
    api.cleanup_ctx.append(replicas)
