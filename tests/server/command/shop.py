"""A shop with forty routes: sub-applications, views, static files, domains, every policy."""

import asyncio
import functools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

import routeguard
from routeguard import (
    Policy,
    cors,
    csrf,
    errors,
    exempt,
    https,
    problem_details,
    rule,
    shield,
    timeout,
    use,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class audited(Policy):  # noqa: N801
    """A kind of policy of the application's own."""

    level: str = "info"


async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def login(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


routes = web.RouteTableDef()


@routes.get("/")
async def home(request: web.Request) -> web.Response:
    return await page(request)


@routes.get("/api/products")
@cors(origins=["https://app.example.com", "https://*.partners.example.com"])
async def products(request: web.Request) -> web.Response:
    return await page(request)


@routes.get("/api/products/{id}")
@timeout(2)
async def product(request: web.Request) -> web.Response:
    return await page(request)


@routes.post("/api/products")
@shield(limit=30)
@use(login)
async def add_product(request: web.Request) -> web.Response:
    return await page(request)


@routes.delete("/api/products/{id}")
@exempt(cors)
async def remove_product(request: web.Request) -> web.Response:
    return await page(request)


@routes.view("/api/cart")
@csrf()
class Cart(web.View):
    @timeout(1)
    async def get(self) -> web.Response:
        return await page(self.request)

    @shield
    async def post(self) -> web.Response:
        return await page(self.request)

    async def delete(self) -> web.Response:
        return await page(self.request)


@routes.get("/api/files/{tail:.*}")
async def files(request: web.Request) -> web.Response:
    return await page(request)


@routes.route("*", "/api/anything")
async def anything(request: web.Request) -> web.Response:
    return await page(request)


@routes.get("/reports/{year:\\d{4}}/{quarter:q1|q2|q3|q4}")
@audited("debug")
async def report(request: web.Request) -> web.Response:
    return await page(request)


async def greet(request: web.Request, *, word: str) -> web.Response:
    return web.Response(text=word)


class Callback:
    """Handlers that are methods."""

    async def now(self, request: web.Request) -> web.Response:
        return await page(request)

    async def later(self, request: web.Request) -> web.Response:
        return await page(request)


def make_admin() -> web.Application:
    """The back office, set up by itself, with users mounted in it."""
    users = web.Application()
    users.router.add_get("", page)
    users.router.add_get("/{id}", page)
    users.router.add_put("/{id}", timeout(3)(page))
    users.router.add_delete("/{id}", shield(page))
    users.router.add_get("/{id}/sessions", page)
    users.router.add_post("/{id}/sessions", page)

    admin = web.Application()
    for name in ("orders", "stock", "prices", "suppliers", "invoices"):
        admin.router.add_get(f"/{name}", page)
        admin.router.add_post(f"/{name}", page)
    admin.add_subapp("/users", users)
    routeguard.setup(
        admin,
        rule("/users/*", use(login), timeout(20)),
        rule("POST /orders", shield),
        timeout(60),
        csrf(),
    )
    return admin


def make_help() -> web.Application:
    """What is served to another host."""
    manual = web.Application()
    manual.router.add_get("/manual", page)
    manual.router.add_get("/{topic}", page)
    return manual


def make_app() -> web.Application:
    """The shop."""
    app = web.Application()
    app.add_routes(routes)
    callback = Callback()
    app.router.add_get("/hello", functools.partial(greet, word="hello"))
    app.router.add_post("/callback", callback.now)
    app.router.add_post("/callback/later", timeout(5)(callback.later))
    for name in ("about", "contact", "terms", "privacy", "press", "jobs", "imprint"):
        app.router.add_get(f"/{name}", page)
    app.router.add_static("/static", HERE, name="static")
    app.add_subapp("/admin", make_admin())
    app.add_domain("help.example.com", make_help())
    routeguard.setup(
        app,
        rule("/api/products/special", timeout(0.5)),
        rule(re.compile(r"/api/files/.+\.zip"), timeout(None)),
        rule("/api/*", cors(origins=["https://*.example.com"], max_age=600), use(count)),
        rule("GET /static/*", exempt(timeout), cors("*")),
        rule("POST /callback/*", shield),
        timeout(30),
        errors(problem_details),
        https(hsts=31536000),
    )
    return app


async def make_app_later() -> web.Application:
    """A factory that waits for something."""
    await asyncio.sleep(0)
    return make_app()


def make_app_from(arguments: list[str]) -> web.Application:
    """A factory as `python -m aiohttp.web` calls it."""
    app = make_app()
    for path in arguments:
        app.router.add_get(path, page)
    return app


def make_nothing() -> None:
    """No factory: it makes nothing."""


def make_trouble() -> web.Application:
    """A factory that fails."""
    raise LookupError("no database\nat all")


def make_with(settings: str, *, debug: bool) -> web.Application:
    """A factory that nobody can call without knowing more."""
    raise AssertionError((settings, debug))


app = make_app()
