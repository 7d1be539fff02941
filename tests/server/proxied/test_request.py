"""`proxied` over real connections: one request, changed in place, that everybody sees alike."""

import asyncio
import logging
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import cors, csrf, errors, exempt, https, proxied, timeout, use
from tests.support.certificate import make_certificate
from tests.support.httpsapp import NOTED
from tests.support.proxiedapp import Told, application, tell, told_in
from tests.support.rawhttp import PATIENCE, get, read_reply, talk

CLIENT = "X-Forwarded-For: 203.0.113.9"
SECURE = "X-Forwarded-Proto: https"
HOST = "X-Forwarded-Host: shop.example"


async def seen(aiohttp_server: AiohttpServer, app: web.Application, request: bytes) -> Told:
    server = await aiohttp_server(app)
    return told_in(read_reply(await talk(request, port=server.port)))


@pytest.mark.parametrize(
    ("policy", "headers", "told"),
    [
        (proxied(), [], Told("127.0.0.1", "http", "localhost", "http://localhost/x?y")),
        (proxied(), [CLIENT], Told("203.0.113.9", "http", "localhost", "http://localhost/x?y")),
        (
            proxied(),
            [CLIENT, SECURE, HOST],
            Told("203.0.113.9", "https", "localhost", "https://localhost/x?y"),
        ),
        (
            proxied(host=True),
            [CLIENT, SECURE, HOST],
            Told("203.0.113.9", "https", "shop.example", "https://shop.example/x?y"),
        ),
        (
            proxied(host=True),
            [CLIENT, SECURE, HOST, "X-Forwarded-Port: 8443"],
            Told("203.0.113.9", "https", "shop.example:8443", "https://shop.example:8443/x?y"),
        ),
        (
            proxied(forwarded=True, host=True),
            ['Forwarded: for="[2001:db8::9]:80"; proto=https; host=shop.example:8443'],
            Told("2001:db8::9", "https", "shop.example:8443", "https://shop.example:8443/x?y"),
        ),
        (
            proxied("10.0.0.0/8", host=True),
            [CLIENT, SECURE, HOST],
            Told("127.0.0.1", "http", "localhost", "http://localhost/x?y"),
        ),
        (
            proxied("*", hops=2),
            ["X-Forwarded-For: 1.2.3.4, 203.0.113.9, 10.0.0.7", SECURE],
            Told("203.0.113.9", "https", "localhost", "https://localhost/x?y"),
        ),
    ],
    ids=repr,
)
async def test_what_a_handler_sees(
    aiohttp_server: AiohttpServer, policy: proxied, headers: list[str], told: Told
) -> None:
    assert await seen(aiohttp_server, application(policy), get("/x?y", *headers)) == told


HOSTILE = [
    "X-Forwarded-For: javascript:alert(1)",
    "X-Forwarded-For: , , ,",
    "X-Forwarded-For: \xff\xfe",
    "X-Forwarded-For: [::1",
    "X-Forwarded-For: 999.999.999.999",
    "X-Forwarded-Proto: javascript",
    "X-Forwarded-Proto: https https",
    "X-Forwarded-Host: a.example:99999",
    "X-Forwarded-Host: a.example:-1",
    "X-Forwarded-Host: [::1",
    "X-Forwarded-Host: user:password@a.example",
    "X-Forwarded-Host: a.example/../..",
    "X-Forwarded-Host: \xff",
    "X-Forwarded-Host:",
]


@pytest.mark.parametrize("header", HOSTILE)
async def test_what_is_malformed_is_ignored(aiohttp_server: AiohttpServer, header: str) -> None:
    plain = Told("127.0.0.1", "http", "localhost", "http://localhost/x")
    policies = proxied(host=True), https(hsts=60), errors()
    assert await seen(aiohttp_server, application(*policies), get("/x", header)) == plain


async def test_everybody_sees_one_request(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    found: dict[str, tuple[int, str | None, str]] = {}
    stored: list[str] = []

    def note(where: str, request: web.Request) -> None:
        found[where] = (id(request), request.remote, request.scheme)

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        before = id(request)
        response = await handler(request)
        note("a middleware around", request)
        assert before == id(request)
        return response

    @web.middleware
    async def inner(request: web.Request, handler: Handler) -> web.StreamResponse:
        note("an inner middleware", request)
        return await handler(request)

    async def used(request: web.Request, handler: Handler) -> web.StreamResponse:
        note("a used middleware", request)
        return await handler(request)

    async def failed(request: web.Request) -> web.Response:
        note("the error handler", request)
        return web.Response(status=502)

    async def broken(request: web.Request) -> web.Response:
        note("the handler", request)
        request[NOTED] = "by the handler"
        raise KeyError

    async def hook(request: web.Request, response: web.StreamResponse) -> None:
        note("a response hook", request)
        stored.append(request[NOTED])

    guarded = web.Application(middlewares=[inner])
    guarded.router.add_get("/x", broken)
    guarded.on_response_prepare.append(hook)
    routeguard.setup(guarded, proxied(), errors(failed), use(used), timeout(30))
    app = web.Application(middlewares=[around])
    app.add_subapp("/in", guarded)
    app.on_response_prepare.append(hook)
    caplog.set_level(logging.INFO, "aiohttp.access")
    server = await aiohttp_server(app, access_log_format="%a %s")
    reply = read_reply(await talk(get("/in/x", CLIENT, SECURE), port=server.port))
    assert reply.status == 502
    assert len(found) == 6
    assert len(set(found.values())) == 1
    assert next(iter(found.values()))[1:] == ("203.0.113.9", "https")
    assert stored == ["by the handler"] * 2
    lines = [one.getMessage() for one in caplog.records if one.name == "aiohttp.access"]
    assert lines == ["203.0.113.9 502"]


async def test_a_body_that_was_read_outside_is_no_matter(aiohttp_server: AiohttpServer) -> None:
    """aiohttp refuses to clone a request whose body has been read."""

    @web.middleware
    async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        return await handler(request)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.remote} {request.scheme} {await request.text()}")

    for policy in (proxied(), https()):
        guarded = web.Application()
        guarded.router.add_post("/x", echo)
        routeguard.setup(guarded, policy)
        app = web.Application(middlewares=[audit])
        app.add_subapp("/in", guarded)
        server = await aiohttp_server(app)
        request = get("/in/x", CLIENT, SECURE, "Content-Length: 4", method="POST") + b"body"
        reply = read_reply(await talk(request, port=server.port))
        remote = b"203.0.113.9" if policy == proxied() else b"127.0.0.1"
        assert reply.body == remote + b" https body"


class Own(web.Request):
    """A request of somebody else's class."""


async def test_a_request_of_somebody_elses_class_is_cloned(aiohttp_server: AiohttpServer) -> None:
    hooked: list[object] = []

    @web.middleware
    async def replace(request: web.Request, handler: Handler) -> web.StreamResponse:
        request.__class__ = Own
        return await handler(request)

    async def store(request: web.Request) -> web.Response:
        request[NOTED] = "by the handler"
        return await tell(request)

    async def hook(request: web.Request, response: web.StreamResponse) -> None:
        hooked.append(request[NOTED])

    guarded = web.Application()
    guarded.router.add_get("/x", store)
    guarded.on_response_prepare.append(hook)
    routeguard.setup(guarded, proxied(host=True), https(hsts=60))
    app = web.Application(middlewares=[replace])
    app.add_subapp("/in", guarded)
    server = await aiohttp_server(app)
    reply = read_reply(await talk(get("/in/x", CLIENT, SECURE, HOST), port=server.port))
    assert told_in(reply) == Told(
        "203.0.113.9", "https", "shop.example", "https://shop.example/in/x"
    )
    assert reply.headers["Strict-Transport-Security"] == "max-age=60"
    assert hooked == ["by the handler"]


async def test_one_connection_serves_several_clients(aiohttp_server: AiohttpServer) -> None:
    """A proxy keeps its connections open, for whomever it serves."""
    server = await aiohttp_server(application(proxied()))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for number in range(3):
        lines = ["GET / HTTP/1.1", "Host: a.example", f"X-Forwarded-For: 203.0.113.{number}"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            reply = read_reply(head + await reader.readexactly(length))
        assert told_in(reply).remote == f"203.0.113.{number}"
    writer.close()


async def test_a_unix_socket(tmp_path: Path) -> None:
    runner = web.AppRunner(application(proxied(host=True), errors()))
    await runner.setup()
    path = str(tmp_path / "app.sock")
    await web.UnixSite(runner, path).start()
    told = told_in(read_reply(await talk(get("/x", CLIENT, SECURE, HOST), path=path)))
    assert told == Told("203.0.113.9", "https", "shop.example", "https://shop.example/x")
    nothing = told_in(read_reply(await talk(get("/x"), path=path)))
    assert nothing.scheme == "http"
    await runner.cleanup()


@pytest.mark.parametrize("policy", [proxied(), https()], ids=repr)
async def test_a_proxys_http_holds_though_its_own_connection_has_tls(
    aiohttp_server: AiohttpServer, tmp_path: Path, policy: routeguard.Policy
) -> None:
    certificate = make_certificate(tmp_path)
    server = await aiohttp_server(application(policy), ssl=certificate.server_context())
    for header, scheme in (
        ("X-Forwarded-Proto: http", "http"),
        ("X-Forwarded-Proto: ws", "http"),
        ("X-Forwarded-Proto: https", "https"),
        ("X-Forwarded-Proto: javascript", "https"),
        ("X-Other: http", "https"),
    ):
        tls = certificate.client_context()
        told = told_in(read_reply(await talk(get("/x", header), port=server.port, tls=tls)))
        assert told.scheme == scheme, header


async def test_https_goes_by_the_request_where_proxied_is_stated(
    aiohttp_server: AiohttpServer,
) -> None:
    """The two would contradict each other: `https` reads no header of its own then."""
    app = application(proxied("127.0.0.1"), https({"X-Scheme": "https"}, redirect=True, hsts=60))
    server = await aiohttp_server(app)

    async def ask(*headers: str) -> tuple[int, str | None, str | None]:
        reply = read_reply(await talk(get("/x", *headers), port=server.port))
        headers_of = reply.headers
        return reply.status, headers_of["Strict-Transport-Security"], headers_of["Vary"]

    assert await ask(SECURE) == (200, "max-age=60", "X-Forwarded-Proto")
    assert await ask("X-Scheme: https") == (308, None, "X-Forwarded-Proto")
    assert await ask(SECURE, "X-Scheme: http") == (200, "max-age=60", "X-Forwarded-Proto")


async def test_a_redirect_leads_to_the_host_that_was_taken(aiohttp_server: AiohttpServer) -> None:
    app = application(proxied(host=True), https(redirect=True))
    server = await aiohttp_server(app)
    reply = read_reply(await talk(get("/x?y", HOST), port=server.port))
    assert (reply.status, reply.headers["Location"]) == (308, "https://shop.example/x?y")
    assert reply.headers["Vary"] == "X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port"
    reply = read_reply(await talk(get("/x?y"), port=server.port))
    assert (reply.status, reply.headers["Location"]) == (308, "https://localhost/x?y")


async def test_csrf_compares_with_the_host_that_was_taken(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(application(proxied(host=True), csrf(), errors()))
    other = await aiohttp_server(application(proxied(), csrf(), errors()))

    async def ask(port: int | None, origin: str, *headers: str) -> int:
        request = get("/x", f"Origin: {origin}", *headers, method="POST")
        return read_reply(await talk(request, port=port)).status

    assert await ask(server.port, "https://shop.example", HOST) == 200
    assert await ask(server.port, "https://localhost", HOST) == 403
    assert await ask(server.port, "https://localhost") == 200
    assert await ask(other.port, "https://shop.example", HOST) == 403
    assert await ask(other.port, "https://localhost", HOST) == 200
    port = "X-Forwarded-Port: 8443"
    assert await ask(server.port, "https://shop.example:8443", HOST, port) == 200
    assert await ask(server.port, "https://shop.example", HOST, port) == 403


ANSWERS = [
    ("/nowhere", 404, []),
    ("/x", 417, ["Expect: the impossible"]),
    ("/x", 204, ["Origin: https://page.example", "Access-Control-Request-Method: GET"]),
    ("/stream", 200, []),
    ("/static/missing", 404, []),
]


async def test_middlewares_outside_see_the_client(aiohttp_server: AiohttpServer) -> None:
    seen: list[tuple[str | None, str | None, bool]] = []

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        before = request.remote
        try:
            return await handler(request)
        finally:
            seen.append((before, request.remote, request.secure))

    app = web.Application()
    app.router.add_get("/x", tell)
    routeguard.setup(app, proxied(), https(redirect=True), outside=[trace])
    server = await aiohttp_server(app)
    for path in ("/x", "/nowhere"):
        await talk(get(path, CLIENT, SECURE), port=server.port)
    await talk(get("/x", CLIENT), port=server.port)
    assert seen == [
        ("127.0.0.1", "203.0.113.9", True),
        ("127.0.0.1", "203.0.113.9", True),
        ("127.0.0.1", "203.0.113.9", False),
    ]


@pytest.mark.parametrize(("path", "status", "headers"), ANSWERS)
async def test_the_log_knows_the_client_of_every_answer(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    path: str,
    status: int,
    headers: list[str],
) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        return response

    app = web.Application()
    app.router.add_get("/x", tell)
    app.router.add_get("/stream", stream)
    app.router.add_static("/static", tmp_path)
    routeguard.setup(app, proxied(), https(hsts=60), cors("https://page.example"))
    caplog.set_level(logging.INFO, "aiohttp.access")
    server = await aiohttp_server(app, access_log_format="%a %s")
    method = "OPTIONS" if status == 204 else "GET"
    received = await talk(get(path, CLIENT, SECURE, *headers, method=method), port=server.port)
    reply = read_reply(received)
    assert (reply.status, reply.headers["Strict-Transport-Security"]) == (status, "max-age=60")
    assert "X-Forwarded-Proto" in (reply.headers["Vary"] or "")
    lines = [one.getMessage() for one in caplog.records if one.name == "aiohttp.access"]
    assert lines == [f"203.0.113.9 {status}"]


async def test_a_route_can_be_exempt(aiohttp_server: AiohttpServer) -> None:
    app = web.Application()
    app.router.add_get("/x", tell)
    app.router.add_get("/raw", exempt(proxied)(tell))
    routeguard.setup(app, proxied(), https())
    server = await aiohttp_server(app)
    inside = told_in(read_reply(await talk(get("/x", CLIENT, SECURE), port=server.port)))
    assert (inside.remote, inside.scheme) == ("203.0.113.9", "https")
    raw = told_in(read_reply(await talk(get("/raw", CLIENT, SECURE), port=server.port)))
    assert (raw.remote, raw.scheme) == ("127.0.0.1", "https")


# --- targets in absolute form ---------------------------------------------------------------------


def absolute(target: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: other.example", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_the_scheme_of_an_absolute_target_is_only_what_a_client_wrote(
    aiohttp_server: AiohttpServer,
) -> None:
    # aiohttp before 3.14.4 believes it.
    server = await aiohttp_server(application(https(), timeout(30)))
    reply = read_reply(await talk(absolute("https://a.example:81/x"), port=server.port))
    assert told_in(reply).url == "http://a.example:81/x"
    app = application(https(redirect=True, hsts=60))
    server = await aiohttp_server(app)
    reply = read_reply(await talk(absolute("https://a.example:81/x?y"), port=server.port))
    assert (reply.status, reply.headers["Location"]) == (308, "https://a.example:81/x?y")
    assert reply.headers["Strict-Transport-Security"] is None
    reply = read_reply(await talk(absolute("http://a.example/x", SECURE), port=server.port))
    assert told_in(reply).url == "https://a.example/x"
    app = application(proxied(host=True), https(redirect=True, hsts=60))
    server = await aiohttp_server(app)
    reply = read_reply(await talk(absolute("https://a.example:81/x"), port=server.port))
    assert (reply.status, reply.headers["Location"]) == (308, "https://a.example:81/x")
    reply = read_reply(await talk(absolute("http://a.example/x", SECURE, HOST), port=server.port))
    told = told_in(reply)
    assert (told.scheme, told.host, told.url) == (
        "https",
        "shop.example",
        "https://shop.example/x",
    )
