"""A shop behind a proxy, with routeguard, and with aiohttp-remotes for what only it has."""

from aiohttp import web
from aiohttp_remotes import BasicAuth

import routeguard
from routeguard import exempt, headers, hosts, https, proxied, rule, use

PROXY = "127.0.0.1"


async def index(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.remote} came to {request.url}")


async def admin(request: web.Request) -> web.Response:
    return web.Response(text="the orders")


@exempt(https, hosts)
async def health(request: web.Request) -> web.Response:
    return web.Response(text="fine")


async def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/health", health)
    app.router.add_get("/admin/orders", admin)
    routeguard.setup(
        app,
        rule("/admin/*", use(BasicAuth("admin", "letmein", "orders").middleware)),
        proxied([PROXY], host=True),
        hosts("shop.example"),
        https(redirect=True, hsts="max-age=31536000; includeSubDomains"),
        headers({"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"}),
    )
    return app
