"""A kind of policy of your own: `limit(10)` serves ten requests at a time, and no more.

It decorates, stands in a rule and is a fallback like the policies that routeguard brings. A
shielded handler keeps its seat until its work has ended, also where the client has gone. (The
library's own `concurrency_limit` does so too, and has a queue.) ::

    python -m routeguard explain examples.limit:make_app GET /exports/all
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web
from aiohttp.typedefs import Handler

import routeguard
from routeguard import ConfigError, Place, Policy, rule, shield
from routeguard.asking import Asked


@dataclass(frozen=True, slots=True)
class limit(Policy):  # noqa: N801  # it reads as a decorator
    """At most `running` requests at a time; whoever comes then is told to come back later."""

    innermost: ClassVar[bool] = True  # inside shield: a seat is taken until the work has ended

    running: int
    retry_after: int = 1

    def __post_init__(self) -> None:
        if self.running < 1:
            raise ConfigError(f"limit({self.running}): nobody would be served; write limit(1)")

    def bind(self, place: Place) -> "Seats":
        return Seats(self)

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        yield "seats", f"{self.running}, of all requests under: {asked.place}"


class Seats:
    """The seats of one `limit`, from the start of the application to its end."""

    def __init__(self, policy: limit) -> None:
        self.policy = policy
        self.free = policy.running

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.free == 0:
            retry_after = str(self.policy.retry_after)
            raise web.HTTPServiceUnavailable(headers={"Retry-After": retry_after})
        self.free -= 1
        try:
            return await handler(request)
        finally:
            self.free += 1


routes = web.RouteTableDef()


@routes.get("/thumbnails/{name}")
@limit(2)
async def thumbnail(request: web.Request) -> web.Response:
    await asyncio.sleep(0.5)
    return web.Response(text=f"a small picture of {request.match_info['name']}\n")


@routes.post("/invoices")
@limit(2)
@shield
async def bill(request: web.Request) -> web.Response:
    await asyncio.sleep(0.5)  # whoever hangs up meanwhile keeps a seat
    return web.Response(text="billed\n", status=201)


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
