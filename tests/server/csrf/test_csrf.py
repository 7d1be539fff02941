"""`csrf` over real connections: what is refused, who answers it, and beside what it stands."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient, AiohttpServer

import routeguard
from routeguard import cors, csrf, error_context, errors, exempt, https, problem_details, rule
from routeguard.routes.rules import Rule
from tests.support.rawhttp import PATIENCE, Reply, get, read_reply, talk

PAGE = "https://page.example"
CROSS = {"Sec-Fetch-Site": "cross-site"}


async def change(request: web.Request) -> web.Response:
    return web.Response(text="changed")


async def chat(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("hello")
    await socket.close()
    return socket


class Basket(web.View):
    async def get(self) -> web.Response:
        return web.Response(text="basket")

    async def post(self) -> web.Response:
        return web.Response(text="added")

    @exempt(csrf)
    async def delete(self) -> web.Response:
        return web.Response(text="emptied")


def application(*entries: Rule | routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/change", change)
    app.router.add_route("*", "/webhook", exempt(csrf)(change))
    app.router.add_get("/chat", chat)
    app.router.add_view("/basket", Basket)
    routeguard.setup(app, *entries)
    return app


async def ask(
    aiohttp_server: AiohttpServer, app: web.Application, *headers: str, method: str = "POST"
) -> Reply:
    server = await aiohttp_server(app)
    return read_reply(await talk(get("/change", *headers, method=method), port=server.port))


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/change", {}, 200),
        ("POST", "/change", CROSS, 403),
        ("POST", "/change", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", "/change", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", "/change", {"Sec-Fetch-Site": "none"}, 200),
        ("POST", "/change", {"Origin": PAGE}, 403),
        ("POST", "/change", {"Origin": "null"}, 403),
        ("GET", "/change", CROSS, 200),
        ("OPTIONS", "/change", {**CROSS, "Origin": PAGE}, 200),
        ("PROPFIND", "/change", CROSS, 403),
        ("POST", "/webhook", CROSS, 200),
        ("GET", "/basket", CROSS, 200),
        ("POST", "/basket", CROSS, 403),
        ("DELETE", "/basket", CROSS, 200),
        ("POST", "/nowhere", CROSS, 403),
        ("POST", "/nowhere", {}, 404),
        ("DELETE", "/chat", CROSS, 403),
        ("DELETE", "/chat", {}, 405),
    ],
)
async def test_requests_by_route(
    aiohttp_client: AiohttpClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    client = await aiohttp_client(application(csrf()))
    async with client.request(method, path, headers=headers) as reply:
        assert reply.status == status


async def test_its_own_origin_is_the_host_of_the_request(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(csrf()))
    own = str(client.make_url("/").origin())
    for origin, status in ((own, 200), (own.upper(), 200), (f"{own}1", 403), (f"{own}/", 403)):
        async with client.post("/change", headers={"Origin": origin}) as reply:
            assert reply.status == status


async def test_trusted_origins_and_rules(aiohttp_client: AiohttpClient) -> None:
    app = application(
        rule("/basket", csrf(trusted_origins=[PAGE, "https://*.partner.example"])), csrf()
    )
    client = await aiohttp_client(app)
    for path, origin, status in (
        ("/basket", PAGE, 200),
        ("/basket", "https://a.b.partner.example", 200),
        ("/basket", "https://partner.example", 403),
        ("/change", PAGE, 403),
    ):
        async with client.post(path, headers={**CROSS, "Origin": origin}) as reply:
            assert reply.status == status


# --- WebSockets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        (CROSS, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": PAGE}, True),
        ({"Origin": PAGE, **CROSS}, True),
        ({"Origin": "own"}, True),
    ],
)
async def test_handshakes(
    aiohttp_client: AiohttpClient, headers: dict[str, str], admitted: bool
) -> None:
    client = await aiohttp_client(application(csrf(trusted_origins=PAGE)))
    own = str(client.make_url("/").origin())
    sent = {name: own if value == "own" else value for name, value in headers.items()}
    async with asyncio.timeout(PATIENCE):
        if admitted:
            async with client.ws_connect("/chat", headers=sent) as socket:
                assert await socket.receive_str() == "hello"
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/chat", headers=sent)
            assert refused.value.status == 403


async def test_the_handler_of_a_refused_handshake_does_not_run(
    aiohttp_client: AiohttpClient,
) -> None:
    ran = []

    @csrf()
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ran.append(request)
        return await chat(request)

    app = web.Application()
    app.router.add_get("/", handler)
    routeguard.setup(app)
    client = await aiohttp_client(app)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.ws_connect("/", headers=CROSS)
    assert ran == []


# --- with others ----------------------------------------------------------------------------------


async def test_a_refusal_goes_through_the_error_handler(aiohttp_server: AiohttpServer) -> None:
    async def handler(request: web.Request) -> web.Response:
        with error_context(request) as context:
            assert isinstance(context.err, web.HTTPForbidden)
            return web.Response(text="mine", status=context.status)

    reply = await ask(
        aiohttp_server, application(csrf(), errors(handler)), "Sec-Fetch-Site: cross-site"
    )
    assert (reply.status, reply.body) == (403, b"mine")


async def test_the_reason_is_told_and_escaped(aiohttp_server: AiohttpServer) -> None:
    app = application(csrf(), errors(problem_details))
    server = await aiohttp_server(app)
    attack = "Origin: https://<script>alert(1)</script>"
    reply = read_reply(
        await talk(get("/change", attack, "Accept: text/html", method="POST"), port=server.port)
    )
    assert reply.status == 403
    assert b"cross-origin request refused" in reply.body and b"<script>" not in reply.body
    reply = read_reply(
        await talk(get("/change", "Origin: \xff\xfe", method="POST"), port=server.port)
    )
    assert "is not this host" in json.loads(reply.body)["detail"]


async def test_without_an_error_handler_it_is_a_plain_403(aiohttp_server: AiohttpServer) -> None:
    reply = await ask(aiohttp_server, application(csrf()), "Sec-Fetch-Site: cross-site")
    assert reply.status == 403
    assert reply.body.startswith(b"cross-origin request refused")


async def test_a_page_that_cors_allows_can_read_the_refusal(aiohttp_server: AiohttpServer) -> None:
    app = application(cors(PAGE, allow_credentials=True), csrf(), errors())
    server = await aiohttp_server(app)
    request = get("/change", f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site", method="POST")
    reply = read_reply(await talk(request, port=server.port))
    assert reply.status == 403
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    preflight = get(
        "/change", f"Origin: {PAGE}", "Access-Control-Request-Method: PUT", method="OPTIONS"
    )
    assert read_reply(await talk(preflight, port=server.port)).status == 204


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("a.example", "https://a.example", 200),
        ("a.example:443", "https://a.example", 200),
        ("a.example:8443", "https://a.example:8443", 200),
        ("a.example", "https://a.example:8443", 403),
        ("a.example:8443", "https://a.example", 403),
    ],
)
async def test_behind_tls_the_host_is_compared_as_the_browser_saw_it(
    aiohttp_server: AiohttpServer, host: str, origin: str, status: int
) -> None:
    """The `Host` that a proxy passes on has no port, or the one of the page's own address."""
    server = await aiohttp_server(application(https(redirect=True), csrf()))
    lines = ["POST /change HTTP/1.1", f"Host: {host}", f"Origin: {origin}", "Connection: close"]
    request = "\r\n".join([*lines, "X-Forwarded-Proto: https", "", ""]).encode()
    assert read_reply(await talk(request, port=server.port)).status == status
