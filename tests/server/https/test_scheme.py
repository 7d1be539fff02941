"""`https` over real connections: the scheme that everybody sees."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import errors, https, timeout, use
from tests.support.certificate import make_certificate
from tests.support.httpsapp import FORWARDED, NOTED, PLAIN, SECURE, application, ask
from tests.support.rawhttp import get, read_reply, talk


@pytest.mark.parametrize(
    ("policy", "headers", "seen"),
    [
        (https(), [FORWARDED], SECURE),
        (https(), [], PLAIN),
        (https(), ["X-Forwarded-Proto: http"], PLAIN),
        (https(), ["X-Forwarded-Proto: wss"], SECURE),
        (https(), ["X-Forwarded-Proto: ws"], PLAIN),
        (https(), ["X-Forwarded-Proto: javascript"], PLAIN),
        (
            https({"Forwarded": "https"}),
            ["Forwarded: for=192.0.2.60; proto=https; by=192.0.2.61; httpproto=http/1.1"],
            SECURE,
        ),
        (https({"Forwarded": "https"}), ["Forwarded: for=[::1]:80;proto=https"], SECURE),
        (https({"Forwarded": "https"}), ['Forwarded: for=", for="[::1]";proto=https'], PLAIN),
        (https(), ["Forwarded: proto=https"], PLAIN),
        (https(), ["X-Forwarded-Proto: http, https"], SECURE),
        (https(), [FORWARDED, "X-Forwarded-Proto: http"], PLAIN),
        (https(), ["X-Forwarded-Proto: \xffhttps"], PLAIN),
        (https(trusted="10.0.0.0/8"), [FORWARDED], PLAIN),
        (https(trusted="unix"), [FORWARDED], PLAIN),
        (https(trusted="127.0.0.1"), [FORWARDED], SECURE),
        (https(trusted="*"), [FORWARDED], SECURE),
        (https({"Forwarded": "https"}), ["Forwarded: for=_a;proto=https"], SECURE),
        (https({"Forwarded": "https"}), ["Forwarded: https"], SECURE),
        (https({"Forwarded": "https"}), ['Forwarded: for="\xff', "Forwarded: =;,\xff"], PLAIN),
        (https({"Forwarded": "https"}), [FORWARDED], PLAIN),
        (https({"X-Forwarded-Proto": "wss"}), ["X-Forwarded-Proto: WSS"], SECURE),
    ],
    ids=repr,
)
async def test_the_scheme_that_a_handler_sees(
    aiohttp_server: AiohttpServer, policy: https, headers: list[str], seen: bytes
) -> None:
    reply = await ask(aiohttp_server, application(policy), get("/tell?x=1", *headers))
    assert (reply.status, reply.body) == (200, seen)


@pytest.mark.parametrize(
    ("trusted", "host", "connect", "believed"),
    [
        ("127.0.0.0/8", "127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", "::1", True),
        ("127.0.0.1", "::1", "::1", False),
        ("::1", "127.0.0.1", "127.0.0.1", False),
        # A socket for both families shows IPv4 peers as mapped addresses.
        ("127.0.0.0/8", "::ffff:127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.0/104", "::ffff:127.0.0.1", "127.0.0.1", True),
        ("10.0.0.0/8", "::ffff:127.0.0.1", "127.0.0.1", False),
    ],
)
async def test_peers_of_both_families(
    aiohttp_server: AiohttpServer, trusted: str, host: str, connect: str, believed: bool
) -> None:
    try:
        server = await aiohttp_server(application(https(trusted=trusted)), host=host)
    except OSError as error:
        pytest.skip(f"needs IPv6 on the loopback interface: {error}")
    received = await talk(get("/tell?x=1", FORWARDED), host=connect, port=server.port)
    assert read_reply(received).body == (SECURE if believed else PLAIN)


@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        (https(), SECURE),
        (https(trusted="unix"), SECURE),
        (https(trusted=["0.0.0.0/0", "::/0"]), PLAIN),
    ],
)
async def test_peers_on_a_unix_socket(tmp_path: Path, policy: https, seen: bytes) -> None:
    runner = web.AppRunner(application(policy))
    await runner.setup()
    path = str(tmp_path / "app.sock")
    await web.UnixSite(runner, path).start()
    received = await talk(get("/tell?x=1", FORWARDED), path=path)
    await runner.cleanup()
    assert read_reply(received).body == seen


async def test_everybody_sees_the_scheme_of_one_request(
    aiohttp_server: AiohttpServer,
) -> None:
    seen: dict[str, str] = {}
    requests: dict[str, web.Request] = {}

    @web.middleware
    async def own(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen["middleware"] = request.scheme
        request[NOTED] = "by the middleware"
        return await handler(request)

    async def used(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen["use"] = request.scheme
        return await handler(request)

    async def failed(request: web.Request) -> web.Response:
        seen["error handler"] = request.scheme
        return web.Response(status=500)

    async def broken(request: web.Request) -> web.Response:
        requests["handler"] = request
        request[NOTED] += ", by the handler"
        raise KeyError

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        requests["hook"] = request
        seen["hook"] = request[NOTED]

    app = web.Application(middlewares=[own])
    app.router.add_get("/", broken)
    app.on_response_prepare.append(note)
    routeguard.setup(app, https(), errors(failed), use(used), timeout(30))
    server = await aiohttp_server(app)
    for header, scheme in ((FORWARDED, "https"), ("X-Other: 1", "http")):
        seen.clear()
        await talk(get("/", header), port=server.port)
        assert seen == {
            "middleware": scheme,
            "use": scheme,
            "error handler": scheme,
            "hook": "by the middleware, by the handler",
        }
        assert requests["hook"] is requests["handler"]


async def test_tls_that_aiohttp_terminates_is_https_too(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    app = application(https(redirect=True, hsts=60, trusted="10.0.0.0/8"))
    server = await aiohttp_server(app, ssl=certificate.server_context())
    received = await talk(get("/tell?x=1"), port=server.port, tls=certificate.client_context())
    reply = read_reply(received)
    assert (reply.status, reply.body) == (200, SECURE)
    assert reply.headers["Strict-Transport-Security"] == "max-age=60"


async def test_what_came_over_tls_is_not_cloned_though_a_proxy_says_https(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    handled: list[web.Request] = []
    hooked: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        handled.append(request)
        return web.Response(text=request.scheme)

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        hooked.append(request)

    certificate = make_certificate(tmp_path)
    app = web.Application()
    app.router.add_get("/", handler)
    app.on_response_prepare.append(note)
    routeguard.setup(app, https())
    server = await aiohttp_server(app, ssl=certificate.server_context())
    received = await talk(get("/", FORWARDED), port=server.port, tls=certificate.client_context())
    assert read_reply(received).body == b"https"
    assert handled[0] is hooked[0]
