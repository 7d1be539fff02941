"""`problem_details` over real connections: every form, HEAD, odd bytes, debug mode."""

import asyncio
import json
import re

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import cors, errors, problem_details, timeout
from tests.server.errors.cases import Told
from tests.support.rawhttp import Reply, get, read_reply, talk

FORMS = ("application/problem+json", "text/html", "text/plain")


def application() -> web.Application:
    routes = web.RouteTableDef()

    @routes.get("/missing")
    async def missing(request: web.Request) -> web.Response:
        raise web.HTTPNotFound(text="No report 7")

    @routes.get("/broken")
    async def broken(request: web.Request) -> web.Response:
        raise KeyError("hunter2")

    @routes.get("/quoting")
    async def quoting(request: web.Request) -> web.Response:
        raise Told(f"bad value {request.headers['X-Value']}", status=400)

    @routes.post("/upload")
    async def upload(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    @routes.get("/slow")
    @timeout(0.05)
    async def slow(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application(client_max_size=10)
    app.add_routes(routes)
    routeguard.setup(app, errors(problem_details), cors("https://page.example"))
    return app


async def ask(
    aiohttp_server: AiohttpServer, path: str, *headers: str, method: str = "GET"
) -> Reply:
    server = await aiohttp_server(application())
    received = await talk(get(path, *headers, method=method), port=server.port)
    assert received.count(b"HTTP/1.") == 1
    return read_reply(received, method=method)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["/missing", "/broken"])
async def test_head_has_the_same_headers_and_no_body(
    aiohttp_server: AiohttpServer, path: str, form: str
) -> None:
    body = await ask(aiohttp_server, path, f"Accept: {form}")
    head = await ask(aiohttp_server, path, f"Accept: {form}", method="HEAD")
    assert (head.body, head.rest) == (b"", b"")
    for reply in (body, head):
        del reply.headers["Date"]
    assert head.status == body.status
    assert head.headers.items() == body.headers.items()
    assert int(body.headers["Content-Length"]) == len(body.body) > 0


async def test_several_accept_lines_are_one_list(aiohttp_server: AiohttpServer) -> None:
    reply = await ask(
        aiohttp_server, "/missing", "Accept: application/json;q=0.2", "Accept: text/plain;q=0.3"
    )
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.body == b"404 Not Found\nNo report 7\n"


@pytest.mark.parametrize("accept", ["\xff\xfe", "text/html;q=\xe9", "\xff/*, text/html;q=0.1"])
@pytest.mark.parametrize("path", ["/missing", "/broken"])
async def test_bytes_that_are_no_text_in_accept(
    aiohttp_server: AiohttpServer, path: str, accept: str
) -> None:
    reply = await ask(aiohttp_server, path, f"Accept: {accept}")
    assert reply.status == (404 if path == "/missing" else 500)
    assert reply.headers["Content-Type"].partition(";")[0] in FORMS


@pytest.mark.parametrize("form", FORMS)
async def test_bytes_that_are_no_text_in_the_message(
    aiohttp_server: AiohttpServer, form: str
) -> None:
    reply = await ask(aiohttp_server, "/quoting", f"Accept: {form}", "X-Value: caf\xe9")
    assert reply.status == 400
    assert reply.headers["Content-Type"].startswith(form)
    assert b"bad value caf" in reply.body


async def test_the_answer_depends_on_accept_and_on_the_origin(
    aiohttp_server: AiohttpServer,
) -> None:
    reply = await ask(aiohttp_server, "/missing", "Origin: https://page.example")
    assert reply.headers["Access-Control-Allow-Origin"] == "https://page.example"
    vary = {
        token.strip() for line in reply.headers.get_all("Vary", []) for token in line.split(",")
    }
    assert vary == {"Accept", "Origin"}


async def test_a_timeout_is_a_504_that_may_be_explained(aiohttp_server: AiohttpServer) -> None:
    reply = await ask(aiohttp_server, "/slow")
    problem = json.loads(reply.body)
    assert (problem["status"], problem["title"]) == (504, "Gateway Timeout")
    assert problem["detail"] == "the response did not start within 0.05 s"
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_body_too_large_and_a_path_nobody_has(aiohttp_server: AiohttpServer) -> None:
    server = await aiohttp_server(application())
    request = get("/upload", "Content-Length: 11", method="POST") + b"12345678901"
    reply = read_reply(await talk(request, port=server.port))
    assert reply.status == json.loads(reply.body)["status"] == 413
    reply = read_reply(await talk(get("/no%2Fwhere?secret=1"), port=server.port))
    assert json.loads(reply.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "instance": "/no%2Fwhere",
    }


async def test_outside_debug_mode_nothing_of_an_unexpected_error_leaves(
    aiohttp_server: AiohttpServer,
) -> None:
    server = await aiohttp_server(application())
    for form in FORMS:
        received = await talk(get("/broken", f"Accept: {form}"), port=server.port)
        assert not re.search(rb"hunter2|KeyError|Traceback|\.py", received)


async def test_in_debug_mode_the_page_has_the_traceback(aiohttp_server: AiohttpServer) -> None:
    asyncio.get_running_loop().set_debug(True)
    for form in FORMS:
        reply = await ask(aiohttp_server, "/broken", f"Accept: {form}")
        assert b"hunter2" in reply.body
        assert (b"Traceback (most recent call last)" in reply.body) == form.startswith("text/")
