"""Whatever leaves carries the headers that are stated, each exactly once."""

import asyncio
import base64
import logging
import pathlib
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient, AiohttpServer

from routeguard import (
    Policy,
    cors,
    csrf,
    errors,
    exempt,
    headers,
    https,
    problem_details,
    rate_limit,
    rule,
    setup,
    shield,
    timeout,
)
from tests.support.rawhttp import Reply, get, read_reply, talk
from tests.support.seen import PAGE

STATED = headers({"X-Stated": "yes", "Vary": "Accept-Language", "Server": None, "X-Gone": None})
GONE = {"X-Gone": "handler", "x-gone": "twice"}


async def returned(request: web.Request) -> web.StreamResponse:
    return web.Response(text="x", headers=GONE)


async def prepared(request: web.Request) -> web.StreamResponse:
    response = web.Response(text="x", headers=GONE)
    await response.prepare(request)
    await response.write_eof()
    return response


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=GONE)
    await response.prepare(request)
    await response.write(b"x")
    return response


async def file(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(__file__, headers=GONE)


async def redirected(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere", headers=GONE)


async def forbidden(request: web.Request) -> web.StreamResponse:
    raise web.HTTPForbidden(headers=GONE)


async def failed(request: web.Request) -> web.StreamResponse:
    raise LookupError("broken")


async def nothing(request: web.Request) -> web.StreamResponse:
    return None  # type: ignore[return-value]


async def slow(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def socket(request: web.Request) -> web.StreamResponse:
    response = web.WebSocketResponse()
    await response.prepare(request)
    assert request.transport is not None
    request.transport.close()
    return response


HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
)
ASKED = (f"Origin: {PAGE}", "Access-Control-Request-Method: POST")
EVIL = ("Origin: https://evil.example", "Access-Control-Request-Method: POST")

# What is asked for, and the status of what leaves: without an errors policy, and with.
LEAVING: dict[str, tuple[Handler, str, tuple[str, ...], int, int]] = {
    "returned": (returned, "GET /", (), 200, 200),
    "for HEAD": (returned, "HEAD /", (), 200, 200),
    "prepared by the handler": (prepared, "GET /", (), 200, 200),
    "a stream": (streamed, "GET /", (), 200, 200),
    "a file": (file, "GET /", (), 200, 200),
    "a range of a file": (file, "GET /", ("Range: bytes=0-3",), 206, 206),
    "a file that is not modified": (file, "GET /", ("If-None-Match: *",), 304, 304),
    "a missing static file": (file, "GET /static/missing", (), 404, 404),
    "a redirect": (redirected, "GET /", (), 302, 302),
    "a raised answer": (forbidden, "GET /", (), 403, 403),
    "an error": (failed, "GET /", (), 500, 404),
    "no response": (nothing, "GET /", (), 500, 500),
    "a timeout": (slow, "GET /", (), 504, 504),
    "a WebSocket handshake": (socket, "GET /", HANDSHAKE, 101, 101),
    "no route": (returned, "GET /nowhere", (), 404, 404),
    "no such method": (returned, "DELETE /", (), 405, 405),
    "a granted preflight": (returned, "OPTIONS /", ASKED, 204, 204),
    "a refused preflight": (returned, "OPTIONS /", EVIL, 403, 403),
    "a refusal of csrf": (returned, "POST /", ("Sec-Fetch-Site: cross-site",), 403, 403),
    "a redirect to HTTPS": (returned, "GET /secure", (), 308, 308),
    "a refusal of plain HTTP": (returned, "POST /secure", (), 403, 403),
    "an expectation": (returned, "GET /", ("Expect: a-miracle",), 417, 417),
}


async def ask(port: int | None, line: str, *more: str) -> Reply:
    method, _, path = line.partition(" ")
    closing = () if "Connection: Upgrade" in more else ("Connection: close",)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *closing, *more]
    sent = "\r\n".join([*lines, "", ""]).encode()
    return read_reply(await talk(sent, port=port), method=method)


def all_of(reply: Reply, name: str) -> list[str]:
    return reply.headers.get_all(name, [])


def with_errors() -> tuple[Policy, ...]:
    return (errors(problem_details, on={LookupError: 404}),)


def without_errors() -> tuple[Policy, ...]:
    return ()


def shielded() -> tuple[Policy, ...]:
    return (shield, errors(problem_details, on={LookupError: 404}))


@pytest.mark.parametrize("around", [without_errors, with_errors, shielded])
@pytest.mark.parametrize("kind", LEAVING)
async def test_whatever_leaves_has_the_headers(
    aiohttp_server: AiohttpServer,
    tmp_path: pathlib.Path,
    around: Callable[[], tuple[Policy, ...]],
    kind: str,
) -> None:
    handler, line, more, bare, answered = LEAVING[kind]
    app = web.Application()
    app.router.add_get("/", handler)
    app.router.add_post("/", handler)
    app.router.add_route("*", "/secure", handler)
    app.router.add_static("/static", tmp_path)
    setup(
        app,
        rule("/secure", https(redirect=True)),
        STATED,
        cors(PAGE),
        csrf(),
        timeout(0.05 if handler is slow else 60),
        *around(),
        drain=0,
    )
    server = await aiohttp_server(app)
    for _ in range(2):  # what is kept for the second time is no other
        reply = await ask(server.port, line, *more)
        assert reply.status == (bare if around is without_errors else answered)
        assert all_of(reply, "X-Stated") == ["yes"]
        assert all_of(reply, "X-Gone") == []
        assert all_of(reply, "Server") == []
        varied = [one.strip() for line in all_of(reply, "Vary") for one in line.split(",")]
        assert varied.count("Accept-Language") == 1
        assert len(varied) == len(set(varied))


async def test_what_is_no_http_has_none(aiohttp_server: AiohttpServer) -> None:
    """aiohttp answers it before there is a request; the documentation says so."""
    app = web.Application()
    setup(app, STATED)
    server = await aiohttp_server(app)
    reply = read_reply(await talk(b"NONSENSE\r\n\r\n", port=server.port))
    assert reply.status == 400
    assert all_of(reply, "X-Stated") == []


async def test_a_returned_response_keeps_what_the_handler_has_set(
    aiohttp_client: AiohttpClient,
) -> None:
    async def own(request: web.Request) -> web.Response:
        return web.Response(headers={"X-A": "mine", "X-B": "mine", "Server": "mine"})

    app = web.Application()
    app.router.add_get("/", headers({"X-B": "b"}, replace=True)(own))
    app.router.add_get("/plain", returned)
    setup(app, headers({"X-A": "a", "Server": "shop"}))
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        assert response.headers.getall("X-A") == ["mine"]
        assert response.headers.getall("X-B") == ["b"]
        assert response.headers.getall("Server") == ["mine"]
    async with client.get("/plain") as response:
        assert response.headers.getall("X-A") == ["a"]
        assert response.headers.getall("Server") == ["shop"]


async def test_what_policies_have_written_can_be_removed(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/", returned)
    secure = https({"X-Proto": "https"}, hsts=60)
    setup(app, secure, headers({"Strict-Transport-Security": None}))
    client = await aiohttp_client(app)
    async with client.get("/", headers={"X-Proto": "https"}) as response:
        assert "Strict-Transport-Security" not in response.headers


async def test_the_nearest_statement_decides_for_each_name(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get(
        "/api/a", headers({"X-A": "outer"})(headers({"X-A": "inner", "X-B": "inner"})(returned))
    )
    app.router.add_get("/api/b", returned)
    app.router.add_get("/api/none", headers({"X-E": "e"})(exempt(headers)(returned)))
    app.router.add_get("/c", returned)
    fallback = headers({"X-A": "fallback", "X-C": "fallback", "X-D": "same"})
    setup(
        app,
        rule("/api/b", headers({"X-D": "exact"})),
        rule("/api/*", headers({"X-C": "rule", "X-D": "rule"}), headers({"X-E": "too"})),
        fallback,
    )
    client = await aiohttp_client(app)

    async def seen(path: str) -> str:
        async with client.get(path) as response:
            return " ".join(response.headers.get(f"X-{one}", "-") for one in "ABCDE")

    assert await seen("/api/a") == "outer inner rule rule too"
    assert await seen("/api/b") == "fallback - rule exact too"
    assert await seen("/api/none") == "- - - - e"
    assert await seen("/c") == "fallback - fallback same -"


async def test_an_equal_value_nearer_to_the_handler_is_a_statement_of_its_own(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", headers({"X-A": "1"})(returned))
    setup(app, rule("/*", headers({"X-A": "2"})), headers({"X-A": "1"}))
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        assert response.headers.getall("X-A") == ["1"]


async def test_a_preflight_carries_what_rules_and_fallbacks_state(
    aiohttp_server: AiohttpServer,
) -> None:
    app = web.Application()
    app.router.add_post("/", headers({"X-Decorator": "yes"})(returned))
    setup(app, cors(PAGE), rule("/*", headers({"X-Rule": "yes"})), headers({"X-Fallback": "yes"}))
    server = await aiohttp_server(app)
    for _ in range(3):
        reply = await ask(server.port, "OPTIONS /", *ASKED)
        assert reply.status == 204
        assert all_of(reply, "X-Rule") == all_of(reply, "X-Fallback") == ["yes"]
        assert all_of(reply, "X-Decorator") == []


@pytest.mark.parametrize("answering", [(), (errors(problem_details),)], ids=["", "errors"])
async def test_an_error_that_was_raised_before_does_not_carry_the_headers_of_another_route(
    aiohttp_client: AiohttpClient, answering: tuple[Policy, ...]
) -> None:
    """Applications raise one object for many requests."""
    shared = web.HTTPNotFound(headers={"X-Own": "yes"})

    async def missing(request: web.Request) -> web.Response:
        raise shared

    app = web.Application()
    app.router.add_get("/a", exempt(errors)(headers({"X-A": "a", "X-B": "a"})(missing)))
    app.router.add_get("/b", headers({"X-B": "b"})(missing))
    app.router.add_get("/limited", rate_limit("9/hour")(missing))
    setup(app, timeout(5), cors(PAGE), *answering)
    client = await aiohttp_client(app)
    for path, a, b in (("/a", "a", "a"), ("/b", None, "b"), ("/a", "a", "a"), ("/b", None, "b")):
        for asked in ("/limited", path):
            async with client.get(asked, headers={"Origin": PAGE}) as response:
                assert response.status == 404
                assert response.headers.getall("X-Own") == ["yes"]
                assert ("RateLimit" in response.headers) == (asked == "/limited")
                seen = [response.headers.getall(name, [None]) for name in ("X-A", "X-B")]
                assert seen == ([[a], [b]] if asked == path else [[None], [None]])


async def test_of_two_applications_that_are_set_up_the_inner_one_decides(
    aiohttp_client: AiohttpClient,
) -> None:
    inner, root = web.Application(), web.Application()
    inner.router.add_get("/x", returned)
    root.router.add_get("/y", returned)
    setup(inner, headers({"X-A": "inner"}))
    setup(root, headers({"X-A": "root", "X-B": "root"}))
    root.add_subapp("/sub", inner)
    client = await aiohttp_client(root)
    async with client.get("/sub/x") as response:
        assert [response.headers.getall(one) for one in ("X-A", "X-B")] == [["inner"], ["root"]]
    async with client.get("/y") as response:
        assert response.headers.getall("X-A") == ["root"]


async def test_server_and_date_of_aiohttps_own_are_replaced(aiohttp_server: AiohttpServer) -> None:
    app = web.Application()
    app.router.add_get("/", streamed)
    app.router.add_get("/plain", returned)
    app.router.add_get("/none", exempt(headers)(returned))
    setup(app, headers({"Server": "shop", "Date": None}))
    server = await aiohttp_server(app)
    for path in ("/", "/plain"):
        reply = read_reply(await talk(get(path), port=server.port))
        assert all_of(reply, "Server") == ["shop"]
        assert all_of(reply, "Date") == []
    reply = read_reply(await talk(get("/none"), port=server.port))
    assert all_of(reply, "Server") == [SERVER_SOFTWARE]
    assert len(all_of(reply, "Date")) == 1


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
