"""A book service with routeguard."""

from aiohttp import web

import routeguard
from routeguard import cors, exempt

SHOP = "https://shop.example"
PARTNER = "https://partner.example"
WRITING = cors([PARTNER, SHOP], allow_credentials=True, allow_headers=["content-type", "x-version"])


@cors([SHOP])
class Book(web.View):
    async def get(self) -> web.Response:
        return web.json_response({"book": 7})

    @WRITING
    async def put(self) -> web.Response:
        return web.json_response({"book": 7, "stored": True})


@cors("*", expose_headers=["X-Total"])
async def books(request: web.Request) -> web.Response:
    return web.json_response({"books": [7]}, headers={"X-Total": "1"})


async def add(request: web.Request) -> web.Response:
    return web.json_response({"book": 8}, status=201)


@exempt(cors)
async def health(request: web.Request) -> web.Response:
    return web.Response(text="up")


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/books", books)
    app.router.add_post("/books", add)
    app.router.add_view("/books/7", Book)
    app.router.add_get("/health", health)
    routeguard.setup(app, cors([SHOP], expose_headers=["X-Total"]))
    return app
