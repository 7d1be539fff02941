"""Middlewares that leave their names on the response, outermost first, with the app they saw."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from routeguard import explain, use
from tests.support.seen import Client, send

NAME = web.AppKey("name", str)
TRAIL = "X-Trail"


def named(name: str, *middlewares: Middleware) -> web.Application:
    """An application that `trail` knows by a name."""
    app = web.Application(middlewares=middlewares)
    app[NAME] = name
    return app


def stamp(name: str) -> Middleware:
    """A middleware that puts its name, and that of `request.app`, in front of the trail."""

    @web.middleware
    async def stamping(request: web.Request, handler: Handler) -> web.StreamResponse:
        mark = f"{name}@{request.app.get(NAME, '-')}"
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers[TRAIL] = f"{mark} {error.headers.get(TRAIL, '')}".strip()
            raise
        response.headers[TRAIL] = f"{mark} {response.headers.get(TRAIL, '')}".strip()
        return response

    stamping.__qualname__ = name
    return stamping


async def handle(request: web.Request) -> web.Response:
    """A handler whose response begins the trail."""
    return web.Response(headers={TRAIL: f"handler@{request.app.get(NAME, '-')}"})


async def trail(client: Client, path: str, method: str = "GET") -> str:
    """The names, without the handler's, each with the application that it saw."""
    async with send(client, method, path) as response:
        return response.headers.get(TRAIL, "")


async def names(client: Client, path: str, method: str = "GET") -> list[str]:
    """The names alone, the handler's left out."""
    stamps = [mark.partition("@")[0] for mark in (await trail(client, path, method)).split()]
    return [name for name in stamps if name != "handler"]


def told(app: web.Application, path: str, method: str = "GET") -> list[str]:
    """The names of the `use` middlewares that `explain` tells of, outermost first."""
    return [
        getattr(one.middleware, "__qualname__", "")
        for one in explain(app, method, path)["use"].policies
        if isinstance(one, use)
    ]
