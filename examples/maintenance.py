"""A kind of policy of your own: `maintenance(switch)` answers 503 while a file of that name exists.

It decorates, stands in a rule and is a fallback like the policies that routeguard brings::

    python -m routeguard explain examples.maintenance:make_app GET /health
    curl -i localhost:8080/orders
"""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

import routeguard
from routeguard import ConfigError, Policy, cors, errors, exempt, problem_details, rule


@dataclass(frozen=True, slots=True)
class maintenance(Policy):  # noqa: N801  # it reads as a decorator
    """While the file `switch` exists, requests are answered with 503."""

    switch: str
    retry_after: int = 60

    def __post_init__(self) -> None:
        if self.retry_after < 1:
            raise ConfigError(f"maintenance(retry_after={self.retry_after}): write retry_after=60")

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.is_on():
            raise web.HTTPServiceUnavailable(
                text="the service is being maintained",
                headers={"Retry-After": str(self.retry_after)},
            )
        return await handler(request)

    def is_on(self) -> bool:
        return Path(self.switch).exists()


routes = web.RouteTableDef()


@routes.get("/health")
@exempt(maintenance)
async def health(request: web.Request) -> web.Response:
    return web.Response(text="fine\n")


@routes.get("/catalogue")
async def catalogue(request: web.Request) -> web.Response:
    return web.json_response(["tea", "cups"])


@routes.get("/orders")
async def orders(request: web.Request) -> web.Response:
    return web.json_response([])


@routes.post("/orders")
async def order(request: web.Request) -> web.Response:
    return web.json_response({"number": 7}, status=201)


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    routeguard.setup(
        app,
        rule("GET /catalogue", exempt(maintenance)),  # it can be read all the time
        maintenance("closed"),
        errors(problem_details),
        cors("https://app.example.com"),
    )
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
