"""Handlers carry their policies however they are registered, and each route its own."""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import cors, deadline, explain, rule, timeout
from tests.server.routing.limits import expect, told
from tests.support.seen import PAGE, answer


async def test_every_way_to_register(aiohttp_client: AiohttpClient) -> None:
    table = web.RouteTableDef()

    @table.get("/table")
    @timeout(1)
    async def in_table(request: web.Request) -> web.Response:
        return await answer(request)

    @timeout(2)
    @table.get("/table/inside")
    async def below(request: web.Request) -> web.Response:
        return await answer(request)

    @table.view("/table/view")
    @timeout(3)
    class View(web.View):
        async def get(self) -> web.Response:
            return await answer(self.request)

    app = web.Application()
    app.add_routes(table)
    app.add_routes([web.get("/def", timeout(4)(answer)), web.view("/def/view", View)])
    app.router.add_route("GET", "/route", timeout(5)(answer))
    app.router.add_resource("/resource").add_route("GET", timeout(6)(answer))
    app.router.add_route("*", "/any", timeout(7)(answer))
    app.router.add_get("/named/{x}", timeout(8)(answer), name="named")
    routeguard.setup(app, timeout(100))
    await expect(
        aiohttp_client,
        app,
        {
            "/table": 1,
            "/table/inside": 100,  # the table took the bare function, before the decorator came
            "/table/view": 3,
            "/def": 4,
            "/def/view": 3,
            "/route": 5,
            "/resource": 6,
            "/any": 7,
            "/named/1": 8,
        },
    )


@pytest.mark.parametrize("middlewares", [0, 1, 2])
async def test_one_function_on_several_routes_with_different_policies(
    aiohttp_client: AiohttpClient, middlewares: int
) -> None:
    """aiohttp keeps what it builds by the equality of handlers."""

    @web.middleware
    async def another(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    shared = timeout(1)(answer)
    app = web.Application(middlewares=[another] * middlewares)
    app.router.add_get("/plain", answer)
    app.router.add_get("/one", shared)
    app.router.add_get("/same", shared)
    app.router.add_get("/other", timeout(2)(answer))
    app.router.add_get("/tightened", timeout(3)(shared))
    app.router.add_post("/one", timeout(4)(answer))
    app.router.add_get("/ruled", answer)
    routeguard.setup(app, rule("/ruled", timeout(5)))
    expected = {"/plain": None, "/one": 1, "/same": 1, "/other": 2, "/tightened": 3, "/ruled": 5}
    await expect(aiohttp_client, app, expected)
    assert told(app, "/one", "POST") == 4


async def test_static_routes(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("text")
    app = web.Application()
    app.router.add_static("/static", tmp_path)
    routeguard.setup(app, rule("/static/*", cors(PAGE)))
    assert explain(app, "GET", "/static/page.txt").policy("cors") == cors(PAGE)
    client = await aiohttp_client(app)
    for method, path, status in (
        ("GET", "/static/page.txt", 200),
        ("HEAD", "/static/page.txt", 200),
        ("GET", "/static/gone.txt", 404),
        ("POST", "/static/page.txt", 405),
    ):
        async with client.request(method, path, headers={"Origin": PAGE}) as response:
            assert (method, path, response.status) == (method, path, status)
            assert response.headers["Access-Control-Allow-Origin"] == PAGE


async def test_a_handler_that_looks_like_what_aiohttp_builds(
    aiohttp_client: AiohttpClient,
) -> None:
    """Middlewares are partials with a `handler`; a handler may be such a partial too."""

    async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(deadline(request).remaining is not None)
        return await handler(request)

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert deadline(request).remaining is not None
        return await handler(request)

    seen: list[bool] = []
    made: Callable[[web.Request], Awaitable[web.StreamResponse]] = functools.partial(
        through, handler=answer
    )
    app = web.Application(middlewares=[around])
    app.router.add_get("/partial", made)
    app.router.add_get("/used", routeguard.use(through)(made))
    routeguard.setup(app, timeout(9))
    await expect(aiohttp_client, app, {"/partial": 9, "/used": 9})
    assert seen == [True, True, True]
