"""The application that every contender serves: the same views, without any policy."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

ORIGIN = "https://app.example.com"
ORIGINS = (ORIGIN, "https://admin.example.com")
SECONDS = 30
MAX_AGE = 600
SHIELDED_METHODS = ("POST", "PUT", "PATCH", "DELETE")

REPORT = {"id": 7, "title": "Quarterly figures", "rows": [1, 2, 3], "draft": False}
CHUNKS = (b"alpha,1\n", b"beta,2\n", b"gamma,3\n", b"delta,4\n")


@dataclass(slots=True)
class Parking:
    """Where requests wait that are to be in flight while others are timed."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    inside: int = 0


PARKING = web.AppKey("parking", Parking)


async def report(request: web.Request) -> web.StreamResponse:
    """The ordinary request: a small JSON document."""
    return web.json_response(REPORT)


async def create(request: web.Request) -> web.StreamResponse:
    """A state-changing request with a JSON body."""
    document = await request.json()
    return web.json_response({"id": 8, "title": document["title"]}, status=201)


async def link(request: web.Request) -> web.StreamResponse:
    """A view that depends on the scheme of its own URL."""
    return web.json_response({"scheme": request.scheme})


async def locked(request: web.Request) -> web.StreamResponse:
    """A view that raises."""
    raise web.HTTPConflict(text="The report is locked")


async def stream(request: web.Request) -> web.StreamResponse:
    """A response that is written in a few chunks."""
    response = web.StreamResponse(headers={"Content-Type": "text/csv"})
    await response.prepare(request)
    for chunk in CHUNKS:
        await response.write(chunk)
    await response.write_eof()
    return response


async def parked(request: web.Request) -> web.StreamResponse:
    """A request that stays in flight until the gate opens."""
    parking = request.app[PARKING]
    parking.inside += 1
    await parking.gate.wait()
    parking.inside -= 1
    return web.json_response(REPORT)


async def options(request: web.Request) -> web.StreamResponse:
    """An empty answer to OPTIONS, for contenders that know nothing of preflights."""
    return web.Response(status=204)


VIEWS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/report", report),
    ("POST", "/api/report", create),
    ("GET", "/api/link", link),
    ("GET", "/api/locked", locked),
    ("GET", "/api/stream", stream),
    ("GET", "/api/parked", parked),
    ("GET", "/other/report", report),
)


def application() -> web.Application:
    """An application without routes, with a place to park requests."""
    app = web.Application()
    app[PARKING] = Parking()
    return app


def add_views(app: web.Application) -> list[web.AbstractRoute]:
    """Register the views as they are."""
    return [app.router.add_route(method, path, view) for method, path, view in VIEWS]
