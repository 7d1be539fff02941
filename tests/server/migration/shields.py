"""One handler, protected three ways: aiohttp-middlewares, aiojobs and routeguard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiojobs.aiohttp
from aiohttp import web
from aiohttp_middlewares.constants import NON_IDEMPOTENT_METHODS
from aiohttp_middlewares.error import error_middleware
from aiohttp_middlewares.shield import shield_middleware
from aiohttp_middlewares.timeout import timeout_middleware

import routeguard
from routeguard import errors, shield, timeout
from tests.support.rawhttp import PATIENCE

__all__ = [
    "AIOJOBS",
    "MIDDLEWARES",
    "ROUTEGUARD",
    "Handler",
    "Side",
    "gone",
    "hang_up",
    "post",
    "serve",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Side:
    """One way to protect a handler."""

    name: str
    protect: Callable[[Handler], web.Application]
    """An application whose `POST /orders` is the handler, protected from a disconnect."""
    bound: Callable[[Handler, float], web.Application]
    """The same under a timeout, errors answered as JSON."""

    def __str__(self) -> str:
        return self.name


def _app(handler: Handler, *middlewares: object) -> web.Application:
    app = web.Application(middlewares=middlewares)  # type: ignore[arg-type]
    app.router.add_post("/orders", handler)
    return app


def _middlewares(handler: Handler) -> web.Application:
    return _app(handler, shield_middleware(methods=NON_IDEMPOTENT_METHODS))


def _middlewares_bound(handler: Handler, seconds: float) -> web.Application:
    return _app(
        handler,
        error_middleware(),
        timeout_middleware(seconds),
        shield_middleware(methods=NON_IDEMPOTENT_METHODS),
    )


def as_coroutine(
    handler: Handler,
) -> Callable[[web.Request], Coroutine[object, object, web.StreamResponse]]:
    """The handler as aiojobs wants it typed."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    return handle


def _aiojobs(handler: Handler) -> web.Application:
    app = _app(aiojobs.aiohttp.atomic(as_coroutine(handler)))
    aiojobs.aiohttp.setup(app)
    return app


def _aiojobs_bound(handler: Handler, seconds: float) -> web.Application:
    app = _app(
        aiojobs.aiohttp.atomic(as_coroutine(handler)),
        error_middleware(),
        timeout_middleware(seconds),
    )
    aiojobs.aiohttp.setup(app)
    return app


def _routeguard(handler: Handler) -> web.Application:
    app = _app(handler)
    routeguard.setup(app, shield)
    return app


def _routeguard_bound(handler: Handler, seconds: float) -> web.Application:
    app = _app(handler)
    routeguard.setup(app, shield, timeout(seconds), errors())
    return app


MIDDLEWARES = Side("aiohttp-middlewares", _middlewares, _middlewares_bound)
AIOJOBS = Side("aiojobs", _aiojobs, _aiojobs_bound)
ROUTEGUARD = Side("routeguard", _routeguard, _routeguard_bound)


@asynccontextmanager
async def serve(app: web.Application) -> AsyncIterator[tuple[web.AppRunner, int]]:
    """The application on a port of loopback, cancelling handlers whose client has gone."""
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def gone(request: web.Request) -> None:
    """Waits until the client has gone and the server knows it."""
    while request.transport is not None:  # noqa: ASYNC110  # of which aiohttp tells nobody
        await asyncio.sleep(0.005)


def post(body: bytes = b"{}", *headers: str) -> bytes:
    """A complete request to place an order."""
    lines = ["POST /orders HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def hang_up(port: int, request: bytes, begun: asyncio.Event) -> None:
    """Sends a request, waits until the handler has begun, and goes."""
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await begun.wait()
        writer.close()
        await writer.wait_closed()
