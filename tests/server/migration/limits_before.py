"""A shop that limits by hand, as one finds it: a decorator, a dictionary, and the clock."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

hits: dict[str, list[float]] = defaultdict(list)


def limited(count: int, seconds: float) -> Callable[[Handler], Handler]:
    def decorator(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def wrapper(request: web.Request) -> web.StreamResponse:
            client = request.headers.get("X-Forwarded-For", request.remote or "").split(",")[0]
            now = time.monotonic()
            recent = hits[client] = [hit for hit in hits[client] if hit > now - seconds]
            if len(recent) >= count:
                return web.json_response({"error": "too many requests"}, status=429)
            recent.append(now)
            return await handler(request)

        return wrapper

    return decorator


@limited(2, 60)
async def login(request: web.Request) -> web.Response:
    return web.json_response({"welcome": "ada"})


@limited(2, 60)
async def search(request: web.Request) -> web.Response:
    return web.json_response([])


async def make_app() -> web.Application:
    app = web.Application()
    app.router.add_post("/login", login)
    app.router.add_get("/search", search)
    return app
