"""What others see of a preflight: always the same, and never the request that it asks about."""

from contextvars import ContextVar

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_urldispatcher import SystemRoute
from pytest_aiohttp import AiohttpClient

from routeguard import cors, setup
from tests.support.seen import PAGE

ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}


async def pay(request: web.Request) -> web.Response:
    return web.Response()


class Watching:
    """A tool that takes a route's resource for granted, unless the route is aiohttp's own."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def note(self, where: str, request: web.Request) -> None:
        route = request.match_info.route
        if isinstance(route, SystemRoute):
            name = "no route"
        else:
            assert route.resource is not None
            name = route.resource.canonical
        handler = request.match_info.handler
        self.seen.append(f"{where}: {name}, {handler.__module__}.{handler.__qualname__}")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.note("middleware", request)
        return await handler(request)

    async def hook(self, request: web.Request, response: web.StreamResponse) -> None:
        self.note("hook", request)


@pytest.mark.parametrize("place", ["in front", "hook", "around the mounted one"])
async def test_the_route_of_a_preflight_is_told_by_its_class_however_often_it_comes(
    aiohttp_client: AiohttpClient, place: str
) -> None:
    watching = Watching()
    root = web.Application()
    app = web.Application() if place == "around the mounted one" else root
    app.router.add_post("/pay", pay)
    setup(app, cors(PAGE), outside=[watching.middleware] if place == "in front" else [])
    path = "/pay"
    if place == "hook":
        app.on_response_prepare.append(watching.hook)
    elif app is not root:
        root.middlewares.append(watching.middleware)
        root.add_subapp("/sub", app)
        path = "/sub/pay"
    client = await aiohttp_client(root)
    for _ in range(3):
        async with client.options(path, headers=ASKS) as response:
            assert response.status == 204
    async with client.options(path) as response:  # aiohttp's own 405
        assert response.status == 405
    assert len(watching.seen) == 4
    assert len(set(watching.seen)) == 1, watching.seen
    async with client.post(path) as response:
        assert response.status == 200
    assert watching.seen[-1].endswith(f"{path}, {__name__}.pay")


@pytest.mark.parametrize("is_outside", [True, False], ids=["outside", "inside"])
async def test_what_is_noted_while_the_target_is_resolved_stays_with_the_target(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch, is_outside: bool
) -> None:
    """Crash reporters watch the router, and name the request after what it resolves to."""
    named: ContextVar[str] = ContextVar("named", default="nothing")
    resolve = web.UrlDispatcher.resolve
    resolved: list[str] = []
    names: list[str] = []
    handlers: set[str] = set()

    async def watched(router: web.UrlDispatcher, request: web.Request) -> web.UrlMappingMatchInfo:
        found = await resolve(router, request)
        resolved.append(request.method)
        named.set(request.method)
        if request.method == "OPTIONS":
            handlers.add(f"{found.handler.__module__}.{found.handler.__qualname__}")
        return found

    @web.middleware
    async def name(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        names.append(named.get())
        return response

    monkeypatch.setattr(web.UrlDispatcher, "resolve", watched)
    app = web.Application()
    app.router.add_post("/pay", pay)
    setup(app, cors(PAGE), outside=[name] if is_outside else [])
    client = await aiohttp_client(app)
    for _ in range(2):
        async with client.options("/pay", headers=ASKS) as response:
            assert response.status == 204
    assert names == (["OPTIONS", "OPTIONS"] if is_outside else [])
    assert resolved == ["OPTIONS", "POST", "OPTIONS"]
    assert handlers == {"aiohttp.web_urldispatcher.SystemRoute._handle"}


async def test_a_preflight_that_is_let_through_after_all_is_a_405_each_time(
    aiohttp_client: AiohttpClient,
) -> None:
    """The refusal is an exception, and aiohttp sends nothing for one that was raised before."""

    async def sometimes(origin: str, request: web.Request) -> bool:
        return True

    watching = Watching()
    app = web.Application()
    app.router.add_post("/pay", cors(sometimes)(pay))
    app.router.add_put("/other", pay)
    setup(app, outside=[watching.middleware])
    client = await aiohttp_client(app)
    for _ in range(3):
        async with client.options("/pay", headers=ASKS) as response:
            assert response.status == 204
        async with client.options("/other", headers=ASKS) as response:
            assert response.status == 405
            assert "PUT" in response.headers["Allow"]
