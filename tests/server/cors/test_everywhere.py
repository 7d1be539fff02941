"""Everything that leaves a route with a cors policy carries its headers, each exactly once."""

import asyncio
import base64
import pathlib
from collections.abc import Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from routeguard import setup
from routeguard.policy import Handler
from tests.server.cors.answers import EVIL, A, B, access_control, ok, vary
from tests.server.cors.leaving import (
    OWN,
    POLICY,
    failed,
    forbidden,
    granted,
    with_errors,
    without_errors,
)

OWN_TEXT = pathlib.Path(__file__).read_bytes()


async def returned(request: web.Request) -> web.StreamResponse:
    return web.Response(text="x", headers=OWN)


async def prepared(request: web.Request) -> web.StreamResponse:
    response = web.Response(text="x", headers=OWN)
    await response.prepare(request)
    await response.write_eof()
    return response


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=OWN)
    await response.prepare(request)
    await response.write(b"x")
    await response.write_eof()
    return response


async def file_returned(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(__file__, headers=OWN)


async def file_prepared(request: web.Request) -> web.StreamResponse:
    response = web.FileResponse(__file__, headers=OWN)
    await response.prepare(request)
    return response


async def file_missing(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(pathlib.Path(__file__).with_suffix(".missing"), headers=OWN)


async def redirected(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere", headers=OWN)


async def not_modified(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotModified(headers=OWN)


async def unavailable(request: web.Request) -> web.StreamResponse:
    raise web.HTTPServiceUnavailable(headers=OWN)


async def failed_while_answering(request: web.Request) -> web.StreamResponse:
    await web.Response(text="x", headers=OWN).prepare(request)
    raise ValueError("broken")


async def nothing_returned(request: web.Request) -> web.StreamResponse:
    return None  # type: ignore[return-value]


async def socket(request: web.Request) -> web.StreamResponse:
    response = web.WebSocketResponse()
    response.headers.extend(OWN)
    await response.prepare(request)
    await response.close()
    return response


async def too_slow(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}

LEAVING: list[tuple[Handler, dict[str, str], int]] = [
    (returned, {}, 200),
    (prepared, {}, 200),
    (streamed, {}, 200),
    (file_returned, {}, 200),
    (file_returned, {"Range": "bytes=0-3"}, 206),
    (file_returned, {"Range": "bytes=99999999-"}, 416),
    (file_returned, {"If-None-Match": "*"}, 304),
    (file_returned, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
    (file_returned, {"If-Match": '"other"'}, 412),
    (file_missing, {}, 404),
    (redirected, {}, 302),
    (not_modified, {}, 304),
    (forbidden, {}, 403),
    (unavailable, {}, 503),
    (failed, {}, 500),
    (nothing_returned, {}, 500),
    (too_slow, {}, 504),
    (socket, HANDSHAKE, 101),
    (socket, {"Upgrade": "websocket"}, 400),
    (returned, {"Expect": "a-miracle"}, 417),
]


@pytest.mark.filterwarnings("ignore:returning HTTPException object:DeprecationWarning")
@pytest.mark.parametrize("install", [without_errors, with_errors])
@pytest.mark.parametrize(("handler", "headers", "status"), LEAVING)
async def test_whatever_leaves_has_the_headers_of_the_policy_and_no_others(
    aiohttp_client: AiohttpClient,
    install: Callable[[web.Application], None],
    handler: Handler,
    headers: dict[str, str],
    status: int,
) -> None:
    app = web.Application()
    app.router.add_get("/", handler)
    install(app)
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (B, granted(B)), (EVIL, {}), (None, {})):
        asked = headers if origin is None else {**headers, "Origin": origin}
        async with client.get("/", headers=asked, allow_redirects=False) as response:
            assert response.status == status
            assert access_control(response) == expected, origin
            assert "origin" in vary(response)


@pytest.mark.parametrize("install", [without_errors, with_errors])
async def test_a_handler_that_fails_after_it_has_prepared_its_response(
    aiohttp_client: AiohttpClient, install: Callable[[web.Application], None]
) -> None:
    app = web.Application()
    app.router.add_get("/", failed_while_answering)
    install(app)
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (EVIL, {})):
        async with client.get("/", headers={"Origin": origin}) as response:
            # It depends on aiohttp's version whether the headers have gone by then.
            assert response.status in {200, 500}
            assert access_control(response) == expected


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
async def test_a_file_that_the_handler_prepares_itself(aiohttp_client: AiohttpClient) -> None:
    """aiohttp sends it, and then fails on it: it opens the file again and drops the connection."""
    app = web.Application()
    app.router.add_get("/", file_prepared)
    setup(app, POLICY)
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (EVIL, {})):
        headers = {"Origin": origin, "Connection": "close"}
        async with client.get("/", headers=headers) as response:
            assert response.status == 200
            assert await response.read() == OWN_TEXT
            assert access_control(response) == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/", 405), ("DELETE", "/view", 405), ("HEAD", "/", 200)],
)
@pytest.mark.parametrize("install", [without_errors, with_errors])
async def test_answers_without_a_handler_have_the_headers_of_the_fallback(
    aiohttp_client: AiohttpClient,
    install: Callable[[web.Application], None],
    method: str,
    path: str,
    status: int,
) -> None:
    class View(web.View):
        async def get(self) -> web.Response:
            return web.Response()

    app = web.Application()
    app.router.add_get("/", ok)
    app.router.add_view("/view", View)
    install(app)
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (EVIL, {})):
        async with client.request(method, path, headers={"Origin": origin}) as response:
            assert response.status == status
            assert access_control(response) == expected
            assert "origin" in vary(response)
            if status == 405:
                assert "Allow" in response.headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/static/page.html", {}, 200),
        ("/static/page.html", {"Range": "bytes=1-2"}, 206),
        ("/static/page.html", {"If-None-Match": "*"}, 304),
        ("/static/page.html", {"Accept-Encoding": "gzip"}, 200),
        ("/static/", {}, 200),
        ("/static/missing", {}, 404),
        ("/static/../secret", {}, 404),
    ],
)
async def test_static_files(
    aiohttp_client: AiohttpClient,
    tmp_path: pathlib.Path,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    (tmp_path / "page.html").write_text("<p>page</p>")
    (tmp_path / "page.html.gz").write_bytes(b"not really")
    app = web.Application()
    app.router.add_static("/static", tmp_path, show_index=True)
    setup(app, POLICY)
    client = await aiohttp_client(app, auto_decompress=False)
    for origin, expected in ((A, granted(A)), (EVIL, {})):
        async with client.get(path, headers={**headers, "Origin": origin}) as response:
            assert response.status == status
            assert access_control(response) == expected
            assert "origin" in vary(response)


async def test_a_compressed_file_varies_by_origin_and_by_encoding(
    aiohttp_client: AiohttpClient, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "page.html").write_text("<p>page</p>")
    (tmp_path / "page.html.gz").write_bytes(b"not really")
    app = web.Application()
    app.router.add_static("/static", tmp_path)
    setup(app, POLICY)
    client = await aiohttp_client(app, auto_decompress=False)
    asked = {"Origin": A, "Accept-Encoding": "gzip"}
    async with client.get("/static/page.html", headers=asked) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert vary(response) == {"accept-encoding", "origin"}
