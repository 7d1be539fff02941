"""A shop behind a proxy, with aiohttp-remotes."""

import aiohttp_remotes
from aiohttp import web
from aiohttp_remotes import AllowedHosts, BasicAuth, Secure, XForwardedStrict

PROXY = "127.0.0.1"


async def index(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.remote} came to {request.url}")


async def admin(request: web.Request) -> web.Response:
    return web.Response(text="the orders")


async def health(request: web.Request) -> web.Response:
    return web.Response(text="fine")


async def make_app() -> web.Application:
    inner = web.Application()
    inner.router.add_get("/orders", admin)
    await aiohttp_remotes.setup(inner, BasicAuth("admin", "letmein", "orders"))
    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/health", health)
    app.add_subapp("/admin", inner)
    await aiohttp_remotes.setup(
        app,
        XForwardedStrict([[PROXY]], white_paths=["/health"]),
        AllowedHosts(["shop.example"], white_paths=["/health"]),
        Secure(white_paths=["/health"], xss=None),
    )
    return app
