"""Sessions for one part of a site: aiohttp-session on a rule, by `use`.

The middlewares of a rule run outside those of a decorator, so `@use(require_login)` finds the
session that the rule has made. Pages outside `/account/` never see a session::

    curl -i localhost:8080/account/orders                       # 403
    curl -i -c jar -X POST localhost:8080/account/login -d name=ada
    curl -i -b jar localhost:8080/account/orders
"""

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_session import SimpleCookieStorage, get_session, session_middleware

import routeguard
from routeguard import errors, problem_details, rule, use

routes = web.RouteTableDef()


@web.middleware
async def require_login(request: web.Request, handler: Handler) -> web.StreamResponse:
    if "name" not in await get_session(request):
        raise web.HTTPForbidden(text="Log in first.")
    return await handler(request)


@routes.get("/")
async def index(request: web.Request) -> web.Response:
    return web.Response(text="welcome\n")


@routes.post("/account/login")
async def login(request: web.Request) -> web.Response:
    session = await get_session(request)
    session["name"] = str((await request.post()).get("name", "stranger"))
    return web.Response(text=f"hello {session['name']}\n")


@routes.get("/account/orders")
@use(require_login)
async def orders(request: web.Request) -> web.Response:
    session = await get_session(request)
    return web.json_response({"orders of": session["name"]})


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    # A readable cookie keeps the example short: a real site takes EncryptedCookieStorage.
    sessions = session_middleware(SimpleCookieStorage())
    routeguard.setup(app, rule("/account/*", use(sessions)), errors(problem_details))
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
