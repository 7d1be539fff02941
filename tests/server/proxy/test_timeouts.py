"""Whose 504 a client gets: the application's where its timeout is shorter than nginx's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

import routeguard
from routeguard import cors, errors, problem_details, timeout
from tests.support.nginx import free_port, nginx_serving
from tests.support.rawhttp import Reply, get, read_reply, talk

pytestmark = pytest.mark.nginx

PAGE = "https://page.example"


@asynccontextmanager
async def behind_nginx(
    program: str, directory: Path, app: web.Application, read_timeout: str
) -> AsyncIterator[int]:
    """The port of an nginx that waits so long for the application."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = free_port()
    server = (
        f"server {{ listen 127.0.0.1:{port}; location / {{ "
        f"proxy_pass http://127.0.0.1:{runner.addresses[0][1]}; "
        f"proxy_read_timeout {read_timeout}; }} }}"
    )
    try:
        async with nginx_serving(program, directory, server, port):
            yield port
    finally:
        await runner.cleanup()


def application(*policies: routeguard.Policy) -> web.Application:
    async def stuck(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def pausing(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/stuck", stuck)
    app.router.add_get("/pausing", pausing)
    routeguard.setup(app, *policies, errors(problem_details), cors(PAGE))
    return app


async def ask(port: int, path: str) -> Reply:
    return read_reply(await talk(get(path, f"Origin: {PAGE}"), port=port))


async def test_a_timeout_longer_than_nginxs_gives_nginxs_page(nginx: str, tmp_path: Path) -> None:
    app = application(timeout(60))
    async with behind_nginx(nginx, tmp_path, app, "200ms") as port:
        reply = await ask(port, "/stuck")
    assert (reply.status, reply.headers["Content-Type"]) == (504, "text/html")
    assert b"<center>nginx" in reply.body
    # The page behind it cannot even see that it was a 504.
    assert reply.headers["Access-Control-Allow-Origin"] is None


async def test_a_shorter_one_gives_the_applications_answer(nginx: str, tmp_path: Path) -> None:
    app = application(timeout(0.2))
    async with behind_nginx(nginx, tmp_path, app, "60s") as port:
        reply = await ask(port, "/stuck")
    assert (reply.status, reply.headers["Content-Type"]) == (504, "application/problem+json")
    assert json.loads(reply.body)["detail"] == "the response did not start within 0.2 s"
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE


async def test_inside_a_stream_it_is_idle_against_nginxs_timeout(
    nginx: str, tmp_path: Path
) -> None:
    """nginx waits so long between two reads, so `idle` is what has to be shorter."""
    app = application(timeout(60, idle=0.2))
    async with behind_nginx(nginx, tmp_path, app, "60s") as port:
        received = await talk(get("/pausing"), port=port)
    assert received.count(b"HTTP/1.") == 1
    reply = read_reply(received)
    assert (reply.status, reply.complete) == (200, False)
