"""Origins from a database: every shop names the sites that may use its API.

The predicate is asked for each cross-origin request, so a site that is added to the table is
admitted from then on, without a restart::

    curl -i -H 'Origin: https://anna.example' localhost:8080/shops/anna/products
    curl -i -H 'Origin: https://anna.example' localhost:8080/shops/bert/products
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

from aiohttp import web

import routeguard
from routeguard import cors, rule

SITES = web.AppKey("sites", sqlite3.Connection)


async def known_site(origin: str, request: web.Request) -> bool:
    """Whether `origin` is one of the sites of the shop that the path names."""
    shop = request.path.split("/")[2]
    return await asyncio.to_thread(is_listed, request.app[SITES], shop, origin)


def is_listed(sites: sqlite3.Connection, shop: str, origin: str) -> bool:
    found = sites.execute("SELECT 1 FROM sites WHERE shop = ? AND origin = ?", (shop, origin))
    return found.fetchone() is not None


async def products(request: web.Request) -> web.Response:
    return web.json_response({"shop": request.match_info["shop"], "products": ["tea", "cups"]})


async def database(app: web.Application) -> AsyncIterator[None]:
    sites = sqlite3.connect(":memory:", check_same_thread=False)
    sites.execute("CREATE TABLE sites (shop TEXT, origin TEXT)")
    sites.executemany(
        "INSERT INTO sites VALUES (?, ?)",
        [("anna", "https://anna.example"), ("bert", "https://bert.example")],
    )
    app[SITES] = sites
    yield
    sites.close()


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/shops/{shop}/products", products)
    app.cleanup_ctx.append(database)
    routeguard.setup(app, rule("/shops/*", cors(known_site, allow_credentials=True)))
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
