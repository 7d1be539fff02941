"""The shop with routeguard."""

from aiohttp import web

import routeguard
from routeguard import RateLimited, errors, proxied, rate_limit


@rate_limit("2/minute")
async def login(request: web.Request) -> web.Response:
    return web.json_response({"welcome": "ada"})


@rate_limit("2/minute")
async def search(request: web.Request) -> web.Response:
    return web.json_response([])


async def too_many(request: web.Request, error: Exception) -> web.Response:
    return web.json_response({"error": "too many requests"}, status=429)


async def make_app() -> web.Application:
    app = web.Application()
    app.router.add_post("/login", login)
    app.router.add_get("/search", search)
    routeguard.setup(app, proxied(), errors(None, on={RateLimited: too_many}))
    return app
