"""`https` over real connections: `Strict-Transport-Security`."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import cors, errors, exempt, https, timeout
from tests.support.httpsapp import FORWARDED, application, ask, tell
from tests.support.rawhttp import PATIENCE, get, read_reply, talk

HSTS = "Strict-Transport-Security"


def all_kinds_of_answers(tmp_path: Path) -> web.Application:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        return response

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(tmp_path / "file.txt")

    async def broken(request: web.Request) -> web.Response:
        raise KeyError

    async def unchanged(request: web.Request) -> web.Response:
        raise web.HTTPNotModified

    async def slow(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.close()
        return response

    async def own(request: web.Request) -> web.Response:
        return web.Response(headers={HSTS: "max-age=5"})

    (tmp_path / "file.txt").write_text("text")
    app = web.Application()
    app.router.add_route("*", "/tell", tell, name="tell")
    app.router.add_get("/stream", stream)
    app.router.add_get("/file", file)
    app.router.add_static("/static", tmp_path)
    app.router.add_get("/broken", broken)
    app.router.add_get("/broken-bare", exempt(errors)(broken))
    app.router.add_get("/unchanged", unchanged)
    app.router.add_get("/slow", timeout(0.01)(slow))
    app.router.add_get("/socket", socket)
    app.router.add_get("/own", own)
    routeguard.setup(
        app, https(hsts="max-age=60; includeSubDomains"), errors(), cors("https://page.example")
    )
    return app


UPGRADE = (
    "Connection: upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
PREFLIGHT = ("Origin: https://page.example", "Access-Control-Request-Method: GET")
ANSWERS = [
    ("/tell", 200, ()),
    ("/stream", 200, ()),
    ("/file", 200, ()),
    ("/file", 304, ("If-Modified-Since: Fri, 31 Dec 2100 00:00:00 GMT",)),
    ("/static/file.txt", 200, ()),
    ("/static/missing.txt", 404, ()),
    ("/broken", 500, ()),
    ("/broken-bare", 500, ()),
    ("/unchanged", 304, ()),
    ("/slow", 504, ()),
    ("/nowhere", 404, ()),
    ("/socket", 101, UPGRADE),
    ("/tell", 417, ("Expect: the impossible",)),
]


@pytest.mark.parametrize(("path", "status", "headers"), ANSWERS)
@pytest.mark.parametrize("secure", [True, False], ids=["HTTPS", "HTTP"])
async def test_hsts_is_on_every_answer_over_https_and_on_no_other(
    aiohttp_server: AiohttpServer,
    tmp_path: Path,
    path: str,
    status: int,
    headers: tuple[str, ...],
    secure: bool,
) -> None:
    lines = [f"GET {path} HTTP/1.1", "Host: a.example", *headers, *([FORWARDED] * secure)]
    if status != 101:
        lines.append("Connection: close")
    server = await aiohttp_server(all_kinds_of_answers(tmp_path))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    reply = read_reply(head)
    assert reply.status == status
    expected = ["max-age=60; includeSubDomains"] if secure else None
    assert reply.headers.get_all(HSTS) == expected


async def test_hsts_on_preflights_and_own_values(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    server = await aiohttp_server(all_kinds_of_answers(tmp_path))
    preflight = get("/tell", *PREFLIGHT, FORWARDED, method="OPTIONS")
    reply = read_reply(await talk(preflight, port=server.port))
    assert (reply.status, reply.headers[HSTS]) == (204, "max-age=60; includeSubDomains")
    reply = read_reply(await talk(get("/own", FORWARDED), port=server.port))
    assert reply.headers.get_all(HSTS) == ["max-age=5"]


async def test_hsts_is_not_on_the_redirect_but_on_what_it_leads_to(
    aiohttp_server: AiohttpServer,
) -> None:
    app = application(https(redirect=True, hsts=60))
    server = await aiohttp_server(app)
    first = read_reply(await talk(get("/tell"), port=server.port))
    assert (first.status, first.headers[HSTS]) == (308, None)
    path = first.headers["Location"].removeprefix("https://localhost")
    second = read_reply(await talk(get(path, FORWARDED), port=server.port))
    assert (second.status, second.headers[HSTS]) == (200, "max-age=60")


async def test_a_header_of_somebody_who_is_not_trusted_brings_no_hsts(
    aiohttp_server: AiohttpServer,
) -> None:
    app = application(https(trusted="10.0.0.0/8", hsts=60))
    reply = await ask(aiohttp_server, app, get("/tell", FORWARDED))
    assert reply.headers[HSTS] is None
