"""The handlers of an order service. A migration leaves them as they are."""

import asyncio

from aiohttp import web

routes = web.RouteTableDef()


@routes.get("/api/orders/{id}")
async def order(request: web.Request) -> web.Response:
    number = int(request.match_info["id"])
    if number > 1000:
        raise web.HTTPNotFound(text="no such order")
    return web.json_response({"order": number}, headers={"X-Order": f"{number}"})


@routes.post("/api/orders")
async def place(request: web.Request) -> web.Response:
    wanted = await request.json()
    await asyncio.sleep(0.05)  # the database writes
    return web.json_response({"placed": wanted["book"]}, status=201)


@routes.post("/api/previews")
async def preview(request: web.Request) -> web.Response:
    return web.json_response({"total": 12})


@routes.get("/api/search")
@routes.get("/api/imports")
async def search(request: web.Request) -> web.Response:
    await asyncio.sleep(60)  # somebody forgot an index
    return web.json_response({"found": 0})


@routes.post("/api/imports")
async def start_import(request: web.Request) -> web.Response:
    await asyncio.sleep(0.6)  # slow, and meant to be
    return web.json_response({"imported": 3}, status=201)


@routes.get("/pages/receipt")
async def receipt(request: web.Request) -> web.Response:
    raise web.HTTPGone(text="this receipt has expired")


@routes.get("/pages/link")
async def link(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.scheme}://shop.example/pages/receipt")
