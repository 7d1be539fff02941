"""Sub-applications: each brings its own rules, and the nearest statement wins.

The shop does not know where it is mounted, so its rules speak of its own paths::

    python -m routeguard routes examples.subapps:make_app
    python -m routeguard explain examples.subapps:make_app GET /shop/search
"""

import asyncio

from aiohttp import web

import routeguard
from routeguard import default_error_handler, errors, problem_details, rule, timeout


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(0.5)
    return web.Response(text="at last\n")


async def broken(request: web.Request) -> web.Response:
    raise web.HTTPConflict(text="somebody was quicker")


def make_shop() -> web.Application:
    """Quick answers, but for the search; errors as plain JSON."""
    shop = web.Application()
    shop.router.add_get("/search", slow)
    shop.router.add_get("/basket", slow)
    shop.router.add_get("/order", broken)
    routeguard.setup(
        shop,
        rule("/search", timeout(5)),
        timeout(0.1),
        errors(default_error_handler),
    )
    return shop


def make_admin() -> web.Application:
    """Nothing stated here: the site's fallbacks hold."""
    admin = web.Application()
    admin.router.add_get("/audit", slow)
    admin.router.add_get("/lock", broken)
    return admin


def make_app() -> web.Application:
    site = web.Application()
    site.add_subapp("/shop", make_shop())
    site.add_subapp("/admin", make_admin())
    routeguard.setup(site, rule("/admin/*", timeout(10)), timeout(1), errors(problem_details))
    return site


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
