"""The shop of the page on aiohttp-remotes, before and after, asked the same over real sockets."""

import pytest
from aiohttp import web
from aiohttp_remotes import BasicAuth, XForwardedStrict
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import client_address, proxied, rate_limit, use
from tests.server.migration import remotes_after, remotes_before
from tests.server.migration.test_applications import Ask

PROXIED = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")
PASSWORD = "Authorization: Basic YWRtaW46bGV0bWVpbg=="

SAME = [
    Ask("GET", "/", headers=PROXIED),
    Ask("GET", "/", headers=(*PROXIED, "X-Forwarded-Host: shop.example")),
    Ask("GET", "/", headers=("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: http")),
    Ask("GET", "/health"),
    Ask("GET", "/admin/orders", headers=PROXIED),
    Ask("GET", "/admin/orders", headers=(*PROXIED, PASSWORD)),
]


@pytest.mark.parametrize("ask", SAME, ids=str)
async def test_both_answer_the_same(ask: Ask) -> None:
    before = await ask.of(await remotes_before.make_app())
    after = await ask.of(await remotes_after.make_app())

    assert after.status == before.status
    assert after.headers["Location"] == before.headers["Location"]
    assert after.headers["WWW-Authenticate"] == before.headers["WWW-Authenticate"]
    for name in ("X-Frame-Options", "X-Content-Type-Options"):
        assert after.headers[name] == before.headers[name]
    if after.status == 200:
        assert after.body == before.body


async def test_another_host_is_refused_by_both() -> None:
    ask = Ask("GET", "/", headers=(*PROXIED, "X-Forwarded-Host: evil.example"))

    assert (await ask.of(await remotes_before.make_app())).status == 400
    assert (await ask.of(await remotes_after.make_app())).status == 421


async def address(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.remote} {request.scheme}")


def client(last: int, *, scheme: str = "https") -> dict[str, str]:
    """The headers of a proxy for one of several clients."""
    return {"X-Forwarded-For": f"203.0.113.{last}", "X-Forwarded-Proto": scheme}


async def test_theirs_outside_and_the_limits_count_by_the_client(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", address)
    routeguard.setup(
        app,
        rate_limit("1/minute", key=client_address),
        outside=[XForwardedStrict([["127.0.0.1"]]).middleware],
    )
    ask = await aiohttp_client(app)

    async with ask.get("/", headers=client(1)) as response:
        assert await response.text() == "203.0.113.1 https"
    async with ask.get("/", headers=client(1)) as response:
        assert response.status == 429
    async with ask.get("/", headers=client(2)) as response:
        assert await response.text() == "203.0.113.2 https"


async def test_theirs_in_the_list_and_the_limits_count_by_the_proxy(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application(middlewares=[XForwardedStrict([["127.0.0.1"]]).middleware])
    app.router.add_get("/", address)
    routeguard.setup(app, rate_limit("1/minute", key=client_address))
    ask = await aiohttp_client(app)

    async with ask.get("/", headers=client(1)) as response:
        assert await response.text() == "203.0.113.1 https"
    async with ask.get("/", headers=client(2)) as response:
        assert response.status == 429


async def test_their_password_on_one_route(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/open", address)
    app.router.add_get("/closed", use(BasicAuth("a", "b", "c").middleware)(address))
    routeguard.setup(app, proxied())
    ask = await aiohttp_client(app)

    async with ask.get("/open") as response:
        assert response.status == 200
    async with ask.get("/closed") as response:
        assert response.status == 401
    password = {"Authorization": "Basic YTpi"}
    async with ask.get("/closed", headers=client(9, scheme="http") | password) as response:
        assert await response.text() == "203.0.113.9 http"
