"""`https` over real connections: who is redirected, and where to."""

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import cors, errors, exempt, https, problem_details, rule
from tests.support.httpsapp import FORWARDED, SECURE, application, ask, tell
from tests.support.rawhttp import get, read_reply, talk


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/tell", "/tell"),
        ("/tell?a=1&b=%26&c=+&d=%C3%BC", "/tell?a=1&b=%26&c=+&d=%C3%BC"),
        ("/tell/%2Fa%20b/%3F", "/tell/%2Fa%20b/%3F"),
        ("//evil.example/x", "//evil.example/x"),
        ("/nowhere", "/nowhere"),
        ("/tell?", "/tell"),
    ],
)
async def test_get_and_head_are_redirected_to_the_same_url(
    aiohttp_server: AiohttpServer, method: str, target: str, location: str
) -> None:
    app = application(https(redirect=True))
    reply = await ask(aiohttp_server, app, get(target, method=method), method)
    assert reply.status == 308
    assert reply.headers["Location"] in (
        f"https://localhost{location}",
        f"https://localhost{target}",
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(aiohttp_server: AiohttpServer, method: str) -> None:
    app = application(https(redirect=True))
    reply = await ask(aiohttp_server, app, get("/tell", method=method))
    assert reply.status == 403
    assert b"HTTPS" in reply.body and "Location" not in reply.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_over_https_nothing_is_redirected(aiohttp_server: AiohttpServer, method: str) -> None:
    app = application(https(redirect=True))
    reply = await ask(aiohttp_server, app, get("/tell?x=1", FORWARDED, method=method))
    assert (reply.status, reply.body) == (200, SECURE)


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("a.example", "https://a.example/tell"),
        ("A.example:80", "https://a.example/tell"),
        ("a.example:8080", "https://a.example:8080/tell"),
        ("[::1]:8080", "https://[::1]:8080/tell"),
        ("127.0.0.1", "https://127.0.0.1/tell"),
        ("", None),
        ("a b", None),
        ("a.example/b", None),
        ("user@a.example", None),
        ("a.example:", None),
        ("a.example:port", None),
        ("a.example:99999", None),
        ("[::1", None),
        ("b\xfccher.example", None),
        ("a.example?x", None),
        ("a.example#x", None),
        ("a.example\\b", None),
        ("%61.example", None),
        ("a.example, b.example", None),
    ],
)
async def test_a_host_that_makes_no_url_is_a_400(
    aiohttp_server: AiohttpServer, host: str, location: str | None
) -> None:
    request = f"GET /tell HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
    reply = await ask(aiohttp_server, application(https(redirect=True)), request)
    if location is None and reply.status == 308:
        # What aiohttp and yarl make sense of must at least lead nowhere else.
        assert reply.headers["Location"] == "https://a.example/tell"
    else:
        assert (reply.status, reply.headers["Location"]) == (308 if location else 400, location)


@pytest.mark.parametrize("hosts", [(), ("a.example", "b.example"), ("a.example", "a.example")])
async def test_no_host_and_two_hosts_are_a_400(
    aiohttp_server: AiohttpServer, hosts: tuple[str, ...]
) -> None:
    lines = ["GET /tell HTTP/1.0", *(f"Host: {host}" for host in hosts), "", ""]
    reply = await ask(
        aiohttp_server, application(https(redirect=True)), "\r\n".join(lines).encode()
    )
    assert reply.status == 400


async def test_redirects_by_route_and_rule(aiohttp_server: AiohttpServer) -> None:
    app = web.Application()
    app.router.add_get("/account", https(redirect=True)(tell))
    app.router.add_get("/shop/{item}", tell)
    app.router.add_get("/open", tell)
    app.router.add_get("/shop/health", exempt(https)(tell))
    app.router.add_get("/tell", tell, name="tell")
    routeguard.setup(app, rule("/shop/*", https(redirect=True)), errors(problem_details))
    server = await aiohttp_server(app)
    statuses = {}
    for path in ("/account", "/shop/7", "/shop/no/such", "/shop/health", "/open", "/nowhere"):
        statuses[path] = read_reply(await talk(get(path), port=server.port)).status
    assert statuses == {
        "/account": 308,
        "/shop/7": 308,
        "/shop/no/such": 308,
        "/shop/health": 200,
        "/open": 200,
        "/nowhere": 404,
    }


async def test_a_refusal_carries_its_cors_headers(aiohttp_server: AiohttpServer) -> None:
    app = application(https(redirect=True), cors("https://page.example"))
    request = get("/tell", "Origin: https://page.example", method="POST")
    reply = await ask(aiohttp_server, app, request)
    assert reply.status == 403
    assert reply.headers["Access-Control-Allow-Origin"] == "https://page.example"


@pytest.mark.parametrize(
    ("redirect", "host", "location"),
    [
        (8443, "a.example", "https://a.example:8443/tell?x"),
        (8443, "a.example:8080", "https://a.example:8443/tell?x"),
        (8443, "[::1]:8080", "https://[::1]:8443/tell?x"),
        (443, "a.example:8080", "https://a.example/tell?x"),
        (True, "a.example:8080", "https://a.example:8080/tell?x"),
        (True, "a.example:80", "https://a.example/tell?x"),
    ],
)
async def test_the_port_of_https(
    aiohttp_server: AiohttpServer, redirect: bool | int, host: str, location: str
) -> None:
    request = get("/tell?x").replace(b"localhost", host.encode())
    reply = await ask(aiohttp_server, application(https(redirect=redirect)), request)
    assert (reply.status, reply.headers["Location"]) == (308, location)


async def test_a_websocket_over_tls_is_not_redirected(aiohttp_server: AiohttpServer) -> None:
    """Some proxies write `wss` for the handshake of a WebSocket."""
    for header, status in (("wss", 200), ("ws", 308), ("https", 200)):
        app = application(https(redirect=True))
        request = get("/tell?x=1", f"X-Forwarded-Proto: {header}")
        assert (await ask(aiohttp_server, app, request)).status == status


@pytest.mark.parametrize(
    ("policy", "vary"),
    [
        (https(redirect=True), "X-Forwarded-Proto"),
        (https(hsts=60), "X-Forwarded-Proto"),
        (https({"Forwarded": "https"}, redirect=8443), "Forwarded"),
        (
            https({"X-Forwarded-Ssl": "on", "X-Forwarded-Proto": "https"}, hsts=60),
            "X-Forwarded-Ssl, X-Forwarded-Proto",
        ),
        (https(), None),
    ],
)
async def test_answers_say_which_headers_they_depend_on(
    aiohttp_server: AiohttpServer, policy: https, vary: str | None
) -> None:
    server = await aiohttp_server(application(policy, errors(problem_details)))
    for request in (
        get("/tell"),
        get("/tell", FORWARDED),
        get("/tell", method="POST"),
        get("/nowhere"),
        get("/nowhere", FORWARDED),
        get("/tell", "Expect: the impossible"),
    ):
        reply = read_reply(await talk(request, port=server.port))
        found = reply.headers["Vary"]
        # An error's form depends on what the client accepts, too.
        assert found in ((vary, f"Accept, {vary}") if vary else (None, "Accept")), request


async def test_vary_is_added_to(aiohttp_server: AiohttpServer) -> None:
    async def own(request: web.Request) -> web.Response:
        return web.Response(headers={"Vary": "Cookie, x-forwarded-proto"})

    app = web.Application()
    app.router.add_get("/own", own)
    app.router.add_get("/tell", tell, name="tell")
    routeguard.setup(app, https(hsts=60), cors("https://page.example"))
    reply = await ask(aiohttp_server, app, get("/own", "Origin: https://page.example"))
    assert reply.headers["Vary"] == "Cookie, x-forwarded-proto, Origin"
