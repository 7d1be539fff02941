"""Headers go on at the return only where nobody comes between; what is kept goes by path."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from routeguard import Policy, cors, setup, timeout

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]

A = "https://a.example"


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def forget_vary(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Vary"] = "Accept"


@web.middleware
async def forget_all(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers.clear()
    return response


@pytest.mark.parametrize("who", ["a hook", "a middleware"])
@pytest.mark.parametrize("policies", [[], [timeout(5, total=10)]], ids=["short", "in full"])
async def test_what_an_outer_application_does_comes_before(
    aiohttp_client: MakeClient, who: str, policies: list[Policy]
) -> None:
    inner = web.Application()
    inner.router.add_get("/", hello)
    setup(inner, cors(A), *policies)
    app = web.Application(middlewares=[forget_all] if who == "a middleware" else [])
    if who == "a hook":
        app.on_response_prepare.append(forget_vary)
    app.add_subapp("/inner", inner)
    client = await aiohttp_client(app)
    async with client.get("/inner/", headers={"Origin": A}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == A
        assert "Origin" in answer.headers["Vary"].split(", ")


class ByTenant(web.UrlDispatcher):
    """Routes by a header."""

    async def resolve(self, request: web.Request) -> web.UrlMappingMatchInfo:
        if request.headers.get("X-Tenant") == "b" and request.path == "/":
            request = request.clone(rel_url="/b")
        return await super().resolve(request)


@pytest.mark.filterwarnings("ignore:router argument is deprecated:DeprecationWarning")
async def test_a_router_of_another_kind_is_asked_each_time(aiohttp_client: MakeClient) -> None:
    app = web.Application(router=ByTenant())
    app.router.add_put("/", cors(A)(hello))
    app.router.add_put("/b", cors("https://b.example")(hello))
    setup(app)
    client = await aiohttp_client(app)
    asked = {"Origin": A, "Access-Control-Request-Method": "PUT"}
    for _ in range(3):
        async with client.options("/", headers=asked) as answer:
            assert answer.status == 204
        async with client.options("/", headers=asked | {"X-Tenant": "b"}) as answer:
            assert answer.status == 403
