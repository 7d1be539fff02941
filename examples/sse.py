"""Server-sent events under a timeout: a stream may last, but it may not fall silent.

`timeout(5, idle=2)` lets the stream run for as long as something is written at least every two
seconds. When the source stalls, the connection is closed, and the browser's `EventSource`
connects again instead of waiting for ever. `until_shutdown()` ends the stream with the server::

    curl -N localhost:8080/prices
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

from aiohttp import web

import routeguard
from routeguard import timeout, until_shutdown

Source = Callable[[], AsyncIterator[float]]
SOURCE: web.AppKey[Source] = web.AppKey("source")

routes = web.RouteTableDef()


@routes.get("/prices")
@timeout(5, idle=2)
@until_shutdown()
async def prices(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    async for price in request.app[SOURCE]():
        await response.write(f"data: {price:.2f}\n\n".encode())
    return response


async def market() -> AsyncIterator[float]:
    """A price every half second, which is often enough; now and then the market sleeps."""
    price = 100.0
    while True:
        yield price
        price += random.gauss(0, 0.5)
        await asyncio.sleep(3600 if random.random() < 0.02 else 0.5)


def make_app(source: Source = market) -> web.Application:
    app = web.Application()
    app[SOURCE] = source
    app.add_routes(routes)
    routeguard.setup(app, timeout(1))
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
