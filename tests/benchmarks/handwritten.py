"""The five policies written by hand inside each handler, as a careful developer would.

Only what happens after a failure is shared. All else stands in each handler on purpose: that is
the cheapest form that plain aiohttp code can have.
"""

import asyncio
from typing import Any

from aiohttp import hdrs, web

from . import views

TRUSTED_PEERS = frozenset({"127.0.0.1", "::1"})
ALLOWED_HEADERS = "accept, authorization, content-type, origin, x-requested-with"

_shielded: set[asyncio.Task[Any]] = set()


def _failure(error: Exception) -> web.Response:
    if isinstance(error, web.HTTPException):
        if error.status < 400:
            raise error
        return web.json_response({"detail": str(error)}, status=error.status)
    if isinstance(error, TimeoutError):
        return web.json_response({"detail": "The request took too long"}, status=504)
    return web.json_response({"detail": str(error)}, status=500)


async def report(request: web.Request) -> web.StreamResponse:
    """GET and POST of one resource; only POST is shielded."""
    if request.headers.get("X-Forwarded-Proto") == "https" and request.remote in TRUSTED_PEERS:
        request = request.clone(scheme="https")
    response: web.StreamResponse
    try:
        async with asyncio.timeout(views.SECONDS):
            if request.method == hdrs.METH_POST:
                work = asyncio.create_task(_create(request))
                _shielded.add(work)
                work.add_done_callback(_shielded.discard)
                response = await asyncio.shield(work)
            else:
                response = web.json_response(views.REPORT)
    except Exception as error:
        response = _failure(error)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in views.ORIGINS:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.VARY] = hdrs.ORIGIN
    return response


async def _create(request: web.Request) -> web.Response:
    document = await request.json()
    return web.json_response({"id": 8, "title": document["title"]}, status=201)


async def link(request: web.Request) -> web.StreamResponse:
    """A view that depends on the scheme."""
    if request.headers.get("X-Forwarded-Proto") == "https" and request.remote in TRUSTED_PEERS:
        request = request.clone(scheme="https")
    try:
        async with asyncio.timeout(views.SECONDS):  # noqa: ASYNC100 - what follows is a view's own
            response = web.json_response({"scheme": request.scheme})
    except Exception as error:
        response = _failure(error)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in views.ORIGINS:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.VARY] = hdrs.ORIGIN
    return response


async def locked(request: web.Request) -> web.StreamResponse:
    """A view that raises."""
    if request.headers.get("X-Forwarded-Proto") == "https" and request.remote in TRUSTED_PEERS:
        request = request.clone(scheme="https")
    try:
        async with asyncio.timeout(views.SECONDS):  # noqa: ASYNC100 - what follows is a view's own
            raise web.HTTPConflict(text="The report is locked")
    except Exception as error:
        response = _failure(error)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in views.ORIGINS:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.VARY] = hdrs.ORIGIN
    return response


async def stream(request: web.Request) -> web.StreamResponse:
    """A few chunks; the limit ends where the response starts."""
    if request.headers.get("X-Forwarded-Proto") == "https" and request.remote in TRUSTED_PEERS:
        request = request.clone(scheme="https")
    headers = {"Content-Type": "text/csv", "Vary": "Origin"}
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in views.ORIGINS:
        headers["Access-Control-Allow-Origin"] = origin
    response: web.StreamResponse = web.StreamResponse(headers=headers)
    try:
        async with asyncio.timeout(views.SECONDS) as limit:
            await response.prepare(request)
            limit.reschedule(None)
            for chunk in views.CHUNKS:
                await response.write(chunk)
            await response.write_eof()
    except Exception as error:
        if response.prepared:
            raise
        response = _failure(error)
    return response


async def parked(request: web.Request) -> web.StreamResponse:
    """A request that stays in flight, under the limit."""
    try:
        async with asyncio.timeout(views.SECONDS):
            response = await views.parked(request)
    except Exception as error:
        response = _failure(error)
    return response


async def preflight(request: web.Request) -> web.StreamResponse:
    """OPTIONS of the resource."""
    origin = request.headers.get(hdrs.ORIGIN)
    headers = {"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
    if origin not in views.ORIGINS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return web.Response(status=403, headers=headers)
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Methods"] = "GET, POST"
    headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    headers["Access-Control-Max-Age"] = str(views.MAX_AGE)
    return web.Response(status=204, headers=headers)


def application() -> web.Application:
    """The application with everything inside its handlers."""
    app = views.application()
    app.router.add_get("/api/report", report)
    app.router.add_post("/api/report", report)
    app.router.add_options("/api/report", preflight)
    app.router.add_get("/api/link", link)
    app.router.add_get("/api/locked", locked)
    app.router.add_get("/api/stream", stream)
    app.router.add_get("/api/parked", parked)
    return app
