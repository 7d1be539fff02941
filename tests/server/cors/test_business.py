"""Whose business a preflight is: the policy's, the application's, or that of no middleware."""

import asyncio

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from routeguard import cors, errors, exempt, https, problem_details, rule, setup, use
from routeguard.policy import Handler
from routeguard.routes.rules import Rule
from tests.server.cors.answers import EVIL, VARY, A, B, access_control, asking, is_refused, ok, vary


async def own_options(request: web.Request) -> web.Response:
    return web.Response(
        text="own", headers={"Allow": "GET, OPTIONS", "Access-Control-Allow-Origin": "https://own"}
    )


async def test_an_own_options_handler_serves_what_is_no_preflight(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", cors(A)(ok))
    app.router.add_options("/", own_options)
    setup(app)
    client = await aiohttp_client(app)
    for fields in ({}, {"Origin": A}, {"Access-Control-Request-Method": "GET"}):
        async with client.options("/", headers=fields) as response:
            assert await response.text() == "own"
            assert access_control(response) == {"access-control-allow-origin": "https://own"}
    async with client.options("/", headers=asking("GET")) as response:
        assert response.status == 204
        assert access_control(response)["access-control-allow-origin"] == A


async def test_plain_options_requests_go_by_the_policy_of_options(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", ok)
    app.router.add_options("/", own_options)
    setup(app, rule("OPTIONS /", cors(B)), cors(A))
    client = await aiohttp_client(app)
    async with client.options("/", headers={"Origin": B}) as response:
        assert access_control(response) == {"access-control-allow-origin": B}
    async with client.options("/", headers={"Origin": A}) as response:
        assert await response.text() == "own"
        assert access_control(response) == {}
    async with client.options("/", headers=asking("GET", origin=A)) as response:
        assert access_control(response)["access-control-allow-origin"] == A
    async with client.options("/", headers=asking("OPTIONS", origin=B)) as response:
        assert access_control(response)["access-control-allow-methods"] == "OPTIONS"


@pytest.mark.parametrize("without", ["no policy", "exempt", "exempt by rule"])
async def test_a_target_without_policy_leaves_its_preflight_to_the_application(
    aiohttp_client: AiohttpClient, without: str
) -> None:
    app = web.Application()
    handler = exempt(cors)(ok) if without == "exempt" else ok
    app.router.add_get("/bare", handler)
    app.router.add_get("/own", handler)
    app.router.add_options("/own", own_options)
    # Statements about OPTIONS itself say nothing of the request that is asked about.
    entries: dict[str, list[cors | Rule]] = {
        "no policy": [rule("OPTIONS /bare", cors(A)), rule("OPTIONS /own", cors(A))],
        "exempt": [cors(A)],
        "exempt by rule": [
            rule("GET /bare", exempt(cors)),
            rule("GET /own", exempt(cors)),
            cors(A),
        ],
    }
    setup(app, *entries[without])
    client = await aiohttp_client(app)
    async with client.options("/bare", headers=asking("GET")) as response:
        assert response.status == 405
        assert access_control(response) == {}
    async with client.options("/own", headers=asking("GET")) as response:
        assert await response.text() == "own"
        assert access_control(response) == {"access-control-allow-origin": "https://own"}


async def test_the_preflight_of_an_unrouted_path_lets_the_page_read_the_404(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/api/known", ok)
    setup(app, rule("/api/*", cors(A)), errors(problem_details))
    client = await aiohttp_client(app)
    for method in ("GET", "PUT", "DELETE"):
        async with client.options("/api/gone", headers=asking(method)) as response:
            assert not await is_refused(response)
        async with client.request(method, "/api/gone", headers={"Origin": A}) as response:
            assert response.status == 404
            assert access_control(response) == {"access-control-allow-origin": A}
    async with client.options("/api/gone", headers=asking("GET", origin=EVIL)) as response:
        assert await is_refused(response)
    async with client.options("/elsewhere", headers=asking("GET")) as response:
        assert response.status == 404
        assert access_control(response) == {}


async def test_no_middleware_sees_a_preflight_that_is_answered(
    aiohttp_client: AiohttpClient,
) -> None:
    seen: list[str] = []

    @web.middleware
    async def demands_login(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.method)
        raise web.HTTPUnauthorized

    async def audits(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.method)
        return await handler(request)

    app = web.Application(middlewares=[demands_login])
    app.router.add_put("/", ok)
    setup(app, cors(A), use(audits), errors(problem_details))
    client = await aiohttp_client(app)
    async with client.options("/", headers=asking("PUT")) as response:
        assert response.status == 204
    async with client.options("/", headers=asking("PUT", origin=EVIL)) as response:
        assert await is_refused(response)
    assert seen == []
    async with client.put("/", headers={"Origin": A}) as response:
        assert response.status == 401
        assert access_control(response) == {"access-control-allow-origin": A}
    assert seen == ["PUT"]


async def test_a_preflight_behind_a_tls_proxy(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_put("/", ok)
    setup(app, cors(A), https(redirect=True, hsts=60))
    client = await aiohttp_client(app)
    fields = {**asking("PUT"), "X-Forwarded-Proto": "https"}
    async with client.options("/", headers=fields) as response:
        assert response.status == 204
        assert access_control(response)["access-control-allow-origin"] == A
        assert vary(response) == {"origin", "x-forwarded-proto", *VARY}


# --- debug mode -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (asking("PUT", origin=EVIL), "origin"),
        (asking("P UT"), "Access-Control-Request-Method"),
        (asking("GET", headers="<b>\u00e9"), r"<b>"),
    ],
)
async def test_in_debug_mode_the_body_of_a_refusal_tells_why(
    aiohttp_client: AiohttpClient, fields: dict[str, str], reason: str
) -> None:
    app = web.Application()
    app.router.add_get("/", ok)
    setup(app, rule("/*", cors(A)))
    client = await aiohttp_client(app)
    async with client.options("/", headers=fields) as response:
        assert await is_refused(response)

    asyncio.get_running_loop().set_debug(True)
    async with client.options("/", headers=fields) as response:
        assert response.status == 403
        assert access_control(response) == {}
        assert response.content_type == "text/plain"
        told = await response.text()
    assert reason in told
    assert 'rule 1 "/*"' in told
    async with client.options("/", headers=asking("GET")) as response:
        assert response.status == 204
        assert await response.read() == b""
