"""What `csrf` raises and logs of a refusal, and which requests are a host's own."""

import asyncio
import contextlib
import logging

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import CrossOriginRefused, csrf, errors, problem_details, rule, shield, timeout
from tests.support.rawhttp import PATIENCE, Reply, read_reply, talk

HANDSHAKE = (
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


async def change(request: web.Request) -> web.Response:
    return web.Response(text="changed")


async def forbidden(request: web.Request) -> web.Response:
    raise web.HTTPForbidden(text="not yours")


async def feed(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


def application(*policies: routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_post("/change", change)
    app.router.add_post("/forbidden", forbidden)
    app.router.add_get("/feed", feed)
    routeguard.setup(app, *policies)
    return app


async def post(
    aiohttp_server: AiohttpServer, app: web.Application, *lines: str, path: str = "/change"
) -> Reply:
    server = await aiohttp_server(app)
    head = [f"POST {path} HTTP/1.1", "Connection: close", "Content-Length: 0", *lines, "", ""]
    return read_reply(await talk("\r\n".join(head).encode("latin-1"), port=server.port))


# --- the exception --------------------------------------------------------------------------------


def test_it_is_a_403_of_its_own() -> None:
    assert issubclass(CrossOriginRefused, web.HTTPForbidden)
    assert CrossOriginRefused.status_code == 403


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/change", ["Host: a.example", "Sec-Fetch-Site: cross-site"], 400),
        ("/change", ["Host: a.example", "Origin: https://evil.example"], 400),
        ("/forbidden", ["Host: a.example"], 403),
    ],
)
async def test_errors_can_tell_it_from_other_403s(
    aiohttp_server: AiohttpServer, path: str, lines: list[str], status: int
) -> None:
    app = application(csrf(), errors(on={CrossOriginRefused: 400}))
    assert (await post(aiohttp_server, app, *lines, path=path)).status == status


@pytest.mark.parametrize("more", [(), (errors(problem_details), timeout(5), shield)])
async def test_it_is_answered_with_its_reason(
    aiohttp_server: AiohttpServer, more: tuple[routeguard.Policy, ...]
) -> None:
    lines = ["Host: a.example", "Sec-Fetch-Site: same-site"]
    reply = await post(aiohttp_server, application(csrf(), *more), *lines)
    assert reply.status == 403
    assert b"cross-origin request refused: Sec-Fetch-Site is 'same-site'" in reply.body


# --- the log --------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name not in ("aiohttp.access", "asyncio")]


EVIL = "https://evil.example"


@pytest.mark.parametrize(
    ("lines", "origin", "reason"),
    [
        ([f"Origin: {EVIL}"], f"'{EVIL}'", f"Origin '{EVIL}' is not this host"),
        (["Origin: null"], "'null'", "Origin 'null' is not this host"),
        ([f"Origin: {EVIL}", "Sec-Fetch-Site: cross-site"], f"'{EVIL}'", "is 'cross-site'"),
        (["Sec-Fetch-Site: same-site"], "''", "Sec-Fetch-Site is 'same-site'"),
        ([f"Origin: {EVIL}", "Origin: https://b.example"], f"'{EVIL}, https://b.", "is not this"),
        (["Origin: https://\xff\x85evil"], "https://\\udcff", "Origin 'https://"),
        (["Origin: https://" + "a" * 5000], "https://aaa", "…"),
        (["Sec-Fetch-Site: " + "x" * 5000], "''", "Sec-Fetch-Site is 'xxx"),
    ],
)
async def test_a_refusal_is_one_line_at_info(
    aiohttp_server: AiohttpServer,
    caplog: pytest.LogCaptureFixture,
    lines: list[str],
    origin: str,
    reason: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    app = application(csrf(), errors(problem_details))
    assert (await post(aiohttp_server, app, "Host: a.example", *lines)).status == 403
    (record,) = logged(caplog)
    assert (record.name, record.levelno, record.exc_info) == ("routeguard.csrf", logging.INFO, None)
    line = record.getMessage()
    assert line.isprintable() and len(line) < 600
    for part in ("refused", "POST /change", "by the policy of fallback", origin, reason):
        assert part in line


async def test_what_passes_and_other_403s_are_not_logged(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = application(csrf(), errors())
    for path in ("/change", "/forbidden"):
        for lines in ([], ["Sec-Fetch-Site: same-origin"], ["Origin: http://a.example"]):
            await post(aiohttp_server, app, "Host: a.example", *lines, path=path)
    assert logged(caplog) == []


@pytest.mark.parametrize(
    ("path", "place"),
    [("/api/x", 'rule 1 "/api/*"'), ("/decorated", "decorator"), ("/elsewhere", "fallback")],
)
async def test_the_line_names_where_the_policy_is_stated(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture, path: str, place: str
) -> None:
    caplog.set_level(logging.INFO)
    app = web.Application()
    app.router.add_post("/api/x", change)
    app.router.add_post("/decorated", csrf()(change))
    routeguard.setup(app, rule("/api/*", csrf()), csrf())
    assert (await post(aiohttp_server, app, "Host: a", f"Origin: {EVIL}", path=path)).status == 403
    (record,) = logged(caplog)
    assert f"POST {path}, by the policy of {place}: Origin" in record.getMessage()


# --- a host's own origin --------------------------------------------------------------------------

OWN = [
    ("http://box.lan:8080", "box.lan:8080"),
    ("http://box.lan.:8080", "box.lan.:8080"),
    ("http://localhost.", "localhost."),
    ("http://shop-.example.com", "shop-.example.com"),
    ("http://-shop.example.com", "-shop.example.com"),
    ("https://-.example.com:8443", "-.example.com:8443"),
    ("https://app.example:443", "app.example"),
    ("https://app.example", "app.example:443"),
    ("https://app.example:443", "app.example:443"),
    ("http://app.example:80", "app.example"),
    ("http://app.example", "app.example:80"),
    ("https://app.example", "app.example"),
    ("HTTPS://App.Example:443", "APP.EXAMPLE"),
    ("http://[::1]:80", "[::1]"),
    ("http://[::1]:8080", "[::1]:8080"),
]
FOREIGN = [
    ("ftp://app.example:8443", "app.example:8443"),
    ("ws://app.example", "app.example"),
    ("wss://app.example:443", "app.example"),
    ("chrome-extension://app.example", "app.example"),
    ("null", "box.lan:8080"),
    ("http://box.lan.", "box.lan"),
    ("http://box.lan", "box.lan."),
    ("http://app.example:443", "app.example"),
    ("https://app.example:80", "app.example"),
    ("https://app.example:8443", "app.example"),
    ("https://app.example", "app.example:8443"),
    ("https://app-.example", "app.example"),
    ("https://app.example/", "app.example"),
    ("https://app.example:443:443", "app.example:443"),
    ("https://app.example:", "app.example"),
]


@pytest.mark.parametrize(
    ("origin", "host", "passes"),
    [(*pair, True) for pair in OWN] + [(*pair, False) for pair in FOREIGN],
)
async def test_posts_and_handshakes_of_the_hosts_own_pages_pass(
    aiohttp_server: AiohttpServer, origin: str, host: str, passes: bool
) -> None:
    """Without `Sec-Fetch-Site`, which browsers do not send over plain HTTP."""
    app = application(csrf())
    lines = [f"Host: {host}", f"Origin: {origin}"]
    assert (await post(aiohttp_server, app, *lines)).status == (200 if passes else 403)
    server = await aiohttp_server(application(csrf()))
    head = ["GET /feed HTTP/1.1", "Connection: Upgrade", *HANDSHAKE, *lines, "", ""]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.closing(writer):
        writer.write("\r\n".join(head).encode())
        async with asyncio.timeout(PATIENCE):
            begun = await reader.readline()
    assert begun.split()[1] == (b"101" if passes else b"403")
