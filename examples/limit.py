"""A kind of policy of your own: `limit(10)` serves ten requests at a time, and no more.

It decorates, stands in a rule and is a fallback like the policies that routeguard brings::

    python -m routeguard explain examples.limit:make_app GET /exports/all
"""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

import routeguard
from routeguard import ConfigError, Policy, rule


@dataclass(frozen=True, slots=True)
class limit(Policy):  # noqa: N801  # it reads as a decorator
    """At most `running` requests at a time; whoever comes then is told to come back later."""

    running: int
    retry_after: int = 1
    _seats: asyncio.Semaphore = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.running < 1:
            raise ConfigError(f"limit({self.running}): nobody would be served; write limit(1)")
        object.__setattr__(self, "_seats", asyncio.Semaphore(self.running))

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._seats.locked():
            raise web.HTTPServiceUnavailable(headers={"Retry-After": str(self.retry_after)})
        async with self._seats:
            return await handler(request)


routes = web.RouteTableDef()


@routes.get("/thumbnails/{name}")
@limit(2)
async def thumbnail(request: web.Request) -> web.Response:
    await asyncio.sleep(0.5)
    return web.Response(text=f"a small picture of {request.match_info['name']}\n")


@routes.get("/exports/{name}")
async def export(request: web.Request) -> web.Response:
    await asyncio.sleep(0.5)
    return web.Response(text="all there is\n")


@routes.get("/")
async def index(request: web.Request) -> web.Response:
    return web.Response(text="welcome\n")


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    routeguard.setup(app, rule("/exports/*", limit(1, retry_after=30)), limit(100))
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
