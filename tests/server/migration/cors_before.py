# mypy: disable-error-code="assignment, no-untyped-call, untyped-decorator"
"""A book service with aiohttp-cors."""

import aiohttp_cors
from aiohttp import web
from aiohttp_cors import CorsViewMixin, ResourceOptions, custom_cors

SHOP = "https://shop.example"
PARTNER = "https://partner.example"
WRITING = ResourceOptions(allow_credentials=True, allow_headers=["content-type", "x-version"])


class Book(web.View, CorsViewMixin):
    cors_config = {SHOP: ResourceOptions(allow_headers=["content-type"])}  # noqa: RUF012

    async def get(self) -> web.Response:
        return web.json_response({"book": 7})

    @custom_cors({PARTNER: WRITING, SHOP: WRITING})
    async def put(self) -> web.Response:
        return web.json_response({"book": 7, "stored": True})


async def books(request: web.Request) -> web.Response:
    return web.json_response({"books": [7]}, headers={"X-Total": "1"})


async def add(request: web.Request) -> web.Response:
    return web.json_response({"book": 8}, status=201)


async def health(request: web.Request) -> web.Response:
    return web.Response(text="up")


def make_app() -> web.Application:
    app = web.Application()
    defaults = {SHOP: ResourceOptions(allow_headers=["content-type"], expose_headers=["X-Total"])}
    config = aiohttp_cors.setup(app, defaults=defaults)
    resource = config.add(app.router.add_resource("/books"))
    config.add(resource.add_route("GET", books), {"*": ResourceOptions(expose_headers=["X-Total"])})
    config.add(resource.add_route("POST", add))
    config.add(app.router.add_view("/books/7", Book))
    app.router.add_get("/health", health)
    return app
