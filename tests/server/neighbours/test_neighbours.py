"""Sessions, authorisation and proxies' headers by other libraries, beside all policies."""

import asyncio
from collections.abc import Callable
from enum import Enum

import aiohttp_remotes
import aiohttp_security
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp_security import AbstractAuthorizationPolicy, SessionIdentityPolicy
from aiohttp_session import SimpleCookieStorage, get_session, session_middleware
from pytest_aiohttp import AiohttpClient

from routeguard import (
    Event,
    cors,
    csrf,
    errors,
    headers,
    problem_details,
    setup,
    shield,
    timeout,
)
from tests.support.seen import PAGE

# aiohttp-session keys requests by strings, of which newer versions of aiohttp warn.
pytestmark = pytest.mark.filterwarnings("ignore:It is recommended to use web.RequestKey")

ORIGIN = {"Origin": PAGE, "Sec-Fetch-Site": "same-origin"}


class Users(AbstractAuthorizationPolicy):
    """Everybody is who they say; Ada may write."""

    async def permits(
        self, identity: str | None, permission: str | Enum, context: object = None
    ) -> bool:
        return identity == "ada" and permission == "write"

    async def authorized_userid(self, identity: str) -> str | None:
        return identity


async def log_in(request: web.Request) -> web.Response:
    response = web.Response()
    await aiohttp_security.remember(request, response, request.query["as"])
    return response


async def write(request: web.Request) -> web.Response:
    await aiohttp_security.check_permission(request, "write")
    session = await get_session(request)
    session["written"] = session.get("written", 0) + 1
    return web.Response(text=f"{session['written']} by {request.remote} over {request.scheme}")


async def stream(request: web.Request) -> web.StreamResponse:
    await aiohttp_security.check_authorized(request)
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(str(request.remote).encode())
    await asyncio.sleep(0.3)  # longer than the response may take to start
    await response.write(b" is done")
    return response


async def slow(request: web.Request) -> web.Response:
    await aiohttp_security.check_authorized(request)
    await asyncio.Event().wait()
    return web.Response()


async def broken(request: web.Request) -> web.Response:
    session = await get_session(request)
    session["tried"] = True
    raise LookupError("broken")


def application(
    *, before: bool, remotes_outside: bool, observer: Callable[[Event], object]
) -> web.Application:
    app = web.Application()
    app.router.add_post("/login", log_in)
    app.router.add_post("/write", write)
    app.router.add_post("/shielded", shield(write))
    app.router.add_get("/stream", stream)
    app.router.add_get("/slow", slow)
    app.router.add_get("/broken", broken)
    remotes: Middleware = aiohttp_remotes.XForwardedRelaxed().middleware
    sessions = session_middleware(SimpleCookieStorage())

    def install() -> None:
        if not remotes_outside:
            app.middlewares.append(remotes)
        app.middlewares.append(sessions)
        aiohttp_security.setup(app, SessionIdentityPolicy(), Users())

    if before:
        install()
    setup(
        app,
        cors(PAGE, allow_credentials=True),
        csrf(),
        errors(problem_details, on={LookupError: 404}),
        timeout(0.2),
        headers({"X-Content-Type-Options": "nosniff"}),
        outside=[remotes] if remotes_outside else [],
        observers=[observer],
        drain=0,
    )
    if not before:
        install()
    return app


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize("remotes_outside", [False, True], ids=["", "remotes outside"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_each_library_does_its_work_beside_the_policies(
    aiohttp_client: AiohttpClient, before: bool, remotes_outside: bool
) -> None:
    told: list[tuple[str, str, int | None]] = []

    def observe(event: Event) -> None:
        told.append((event.policy, event.action, event.status))

    app = application(before=before, remotes_outside=remotes_outside, observer=observe)
    client = await aiohttp_client(app)

    async def ask(method: str, path: str, **more: str) -> tuple[int, str]:
        asked = {**ORIGIN, **FORWARDED, **more}
        async with client.request(method, path, headers=asked) as response:
            assert response.headers.getall("X-Content-Type-Options") == ["nosniff"]
            assert response.headers.getall("Access-Control-Allow-Origin") == [PAGE]
            return response.status, await response.text()

    # Nobody is logged in, and the refusal is answered by the error handler.
    assert (await ask("POST", "/write"))[0] == 401
    assert await ask("POST", "/login?as=bob") == (200, "")
    assert (await ask("POST", "/write"))[0] == 403
    assert await ask("POST", "/login?as=ada") == (200, "")
    assert await ask("POST", "/write") == (200, "1 by 203.0.113.9 over https")
    assert await ask("POST", "/shielded") == (200, "2 by 203.0.113.9 over https")
    assert await ask("GET", "/stream") == (200, "203.0.113.9 is done")
    assert (await ask("GET", "/slow"))[0] == 504
    assert (await ask("GET", "/broken"))[0] == 404
    told.clear()
    # csrf refuses what the session's cookie would have allowed, before a session is looked up.
    assert (await ask("POST", "/write", **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
    assert told == [("csrf", "refused", 403), ("errors", "answered", 403)]
    assert await ask("POST", "/write") == (200, "3 by 203.0.113.9 over https")
    asks = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    async with client.options("/write", headers=asks) as response:
        assert response.status == 204  # and not 401, whatever the authorisation would say


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_middleware_that_reads_marks_of_handlers_finds_them(
    aiohttp_client: AiohttpClient, before: bool
) -> None:
    """As applications mark the handlers that need a login, or none."""

    def public(handler: Handler) -> Handler:
        handler.is_public = True  # type: ignore[attr-defined]
        return handler

    @web.middleware
    async def logged_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not getattr(handler, "is_public", False):
            raise web.HTTPUnauthorized
        return await handler(request)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="page")

    @public
    async def door(request: web.Request) -> web.Response:
        return web.Response(text="door")

    app = web.Application()
    for path, decorate in (("", timeout(5)), ("/shielded", shield), ("/plain", public)):
        app.router.add_get(f"/door{path}", decorate(door))
    app.router.add_get("/page", timeout(5)(page))
    if before:
        app.middlewares.append(logged_in)
    setup(app, cors(PAGE), csrf(), errors(problem_details), timeout(9), headers({"X-A": "1"}))
    if not before:
        app.middlewares.append(logged_in)
    client = await aiohttp_client(app)
    for path, status in (("/door", 200), ("/door/shielded", 200), ("/door/plain", 200)):
        async with client.get(path) as response:
            assert response.status == status
    async with client.get("/page") as response:
        assert response.status == 401
