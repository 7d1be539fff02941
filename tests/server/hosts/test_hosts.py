"""`hosts` over real connections, in raw bytes."""

import logging

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import (
    HostRefused,
    cors,
    errors,
    exempt,
    hosts,
    https,
    problem_details,
    proxied,
    rule,
)
from tests.support.proxiedapp import application, tell
from tests.support.rawhttp import get, read_reply, talk


def asking(*hosts: str, target: str = "/x", version: str = "1.1", more: str = "") -> bytes:
    lines = [f"GET {target} HTTP/{version}", *(f"Host: {one}" for one in hosts)]
    lines += [more] if more else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asking("shop.example"), 200),
        (asking("SHOP.example.:8080"), 200),
        (asking("www.shop.example"), 200),
        (asking("127.0.0.1:8080"), 200),
        (asking("[::1]:8080"), 200),
        (asking("evil.example"), 421),
        (asking("shop.example.evil.example"), 421),
        (asking("127.0.0.1.evil.example"), 421),
        (asking("shop.example:port"), 421),
        (asking("shop.example, evil.example"), 421),
        (asking("user@shop.example"), 421),
        (asking("sh\xf6p.example"), 421),
        (asking(""), 421),
        # Without a Host aiohttp takes the address that was connected to.
        (asking(version="1.0"), 421),
        # The target comes before Host, with its port.
        (asking("evil.example", target="http://shop.example/x"), 200),
        (asking("shop.example", target="http://evil.example/x"), 421),
        (asking("shop.example", target="http://user@shop.example/x"), 421),
        # Nobody is trusted to say another host here.
        (asking("evil.example", more="X-Forwarded-Host: shop.example"), 421),
        (asking("evil.example", more="Forwarded: host=shop.example"), 421),
    ],
)
async def test_who_is_admitted(aiohttp_server: AiohttpServer, request_: bytes, status: int) -> None:
    app = application(hosts("shop.example", "*.shop.example", "127.0.0.1", "::1"))
    server = await aiohttp_server(app)
    reply = read_reply(await talk(request_, port=server.port))
    assert reply.status == status


@pytest.mark.parametrize("count", [2, 3])
async def test_two_hosts_are_refused(aiohttp_server: AiohttpServer, count: int) -> None:
    server = await aiohttp_server(application(hosts("shop.example")))
    reply = read_reply(await talk(asking(*["shop.example"] * count), port=server.port))
    # aiohttp's own parser has refused them since 3.12.
    assert reply.status in (400, 421)


async def test_the_port_of_an_absolute_target_counts(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(application(hosts("shop.example:81", "shop.example:80")))
    for target, status in (
        ("http://shop.example:81/x", 200),
        ("http://shop.example:82/x", 421),
        ("http://shop.example/x", 200),
        ("/x", 421),
    ):
        request = asking("shop.example:82", target=target)
        assert read_reply(await talk(request, port=server.port)).status == status


async def test_the_host_that_proxied_took(aiohttp_server: AiohttpServer) -> None:
    app = application(proxied(host=True), hosts("shop.example:443", "inner"))
    server = await aiohttp_server(app)
    host, https_ = "X-Forwarded-Host: shop.example", "X-Forwarded-Proto: https"
    for headers, status in (
        ([host, https_], 200),
        ([host, https_, "X-Forwarded-Port: 443"], 200),
        ([host, https_, "X-Forwarded-Port: 8443"], 421),
        ([host], 421),  # plain HTTP is another port
        (["X-Forwarded-Host: evil.example", https_], 421),
        ([https_], 421),
        ([https_, "X-Forwarded-Host: a.example:99999"], 421),
    ):
        reply = read_reply(await talk(get("/x", *headers), port=server.port))
        assert reply.status == status, headers


async def test_refusals_are_told_apart_and_logged_once(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def teapot(request: web.Request) -> web.Response:
        return web.Response(status=418)

    app = web.Application()
    app.router.add_get("/x", tell)
    app.router.add_get("/api/x", tell)
    app.router.add_get("/health", exempt(hosts)(tell))
    routeguard.setup(
        app,
        rule("/api/*", errors(on={HostRefused: teapot})),
        hosts("shop.example"),
        errors(problem_details),
        cors("https://page.example"),
    )
    server = await aiohttp_server(app)
    caplog.set_level(logging.INFO, "routeguard")
    origin = "Origin: https://page.example"
    reply = read_reply(await talk(asking("evil.example", more=origin), port=server.port))
    assert reply.status == 421
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert [(one.name, one.levelname, one.getMessage()) for one in caplog.records] == [
        (
            "routeguard.hosts",
            "INFO",
            "refused host evil.example: GET /x, by the policy of fallback",
        )
    ]
    caplog.clear()
    request = asking("evil\x1b[31m.example", target="/api/x")
    assert read_reply(await talk(request, port=server.port)).status in (400, 418)
    assert (
        read_reply(await talk(asking(target="/nowhere", version="1.0"), port=server.port)).status
        == 421
    )
    [line] = [one.getMessage() for one in caplog.records if "nowhere" in one.getMessage()]
    assert line == "refused a request without a host: GET /nowhere, by the policy of fallback"
    assert (
        read_reply(await talk(asking("10.0.0.7", target="/health"), port=server.port)).status == 200
    )
    preflight = asking("evil.example", more=f"{origin}\r\nAccess-Control-Request-Method: GET")
    preflight = preflight.replace(b"GET /x", b"OPTIONS /x")
    assert read_reply(await talk(preflight, port=server.port)).status == 204


async def test_report_only(aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture) -> None:
    server = await aiohttp_server(application(hosts("shop.example", report_only=True)))
    caplog.set_level(logging.INFO, "routeguard")
    assert read_reply(await talk(asking("evil.example"), port=server.port)).status == 200
    assert read_reply(await talk(asking("shop.example"), port=server.port)).status == 200
    assert [one.getMessage() for one in caplog.records] == [
        "would refuse host evil.example: GET /x, by the policy of fallback"
    ]


async def test_a_redirect_comes_before_the_hosts(aiohttp_server: AiohttpServer) -> None:
    """`https` nests outside; where it leads, the host is judged."""
    server = await aiohttp_server(application(https(redirect=True), hosts("shop.example")))
    assert read_reply(await talk(asking("shop.example"), port=server.port)).status == 308
    secure = asking("evil.example", more="X-Forwarded-Proto: https")
    assert read_reply(await talk(secure, port=server.port)).status == 421
