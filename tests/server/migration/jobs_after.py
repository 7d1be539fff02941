"""Orders with routeguard; mail, which no client waits for, still with aiojobs."""

from collections.abc import AsyncIterator

import aiojobs.aiohttp
from aiohttp import web

import routeguard
from routeguard import shield

from .database import DATABASE, Database


async def database(app: web.Application) -> AsyncIterator[None]:
    app[DATABASE] = Database()
    yield
    app[DATABASE].closed.set()


@shield
async def place(request: web.Request) -> web.Response:
    wanted = await request.json()
    await request.app[DATABASE].write(wanted["book"])
    await aiojobs.aiohttp.spawn(request, send_mail(request.app, wanted["book"]))
    return web.json_response({"placed": wanted["book"]}, status=201)


async def send_mail(app: web.Application, book: str) -> None:
    await app[DATABASE].write(f"mail about {book}")


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_post("/orders", place)
    app.cleanup_ctx.append(database)
    aiojobs.aiohttp.setup(app)
    routeguard.setup(app, drain=60)
    return app
