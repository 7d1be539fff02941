"""Under a `timeout(1)` for the whole application: what has started lives on."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType, web

from routeguard import errors, rule, setup, shield, timeout
from tests.support.serving import PATIENCE, Server, serving

pytestmark = pytest.mark.faults

OUTLIVED = 1.5
SIZE = 24_000_000


def application(directory: Path) -> web.Application:
    """Events, a file and a WebSocket, plain and shielded, and one handler that never answers."""

    async def events(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for i in range(10):
            await asyncio.sleep(OUTLIVED / 10)
            await stream.write(b"data: %d\n\n" % i)
        await stream.write_eof()
        return stream

    async def file(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(directory / "file")
        await response.prepare(request)  # within the handler, and so at the client's pace
        return response

    async def socket(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    async def never(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_static("/static", directory)
    app.router.add_get("/never", never)
    for name, handler in (("events", events), ("file", file), ("socket", socket)):
        app.router.add_get(f"/{name}", handler)
        app.router.add_get(f"/shielded/{name}", shield(handler))
    setup(app, timeout(1), errors(), drain=0)
    return app


async def receive_events(server: Server, path: str) -> None:
    answer = await (await server.dial()).get(path).answer()
    assert answer.body == b"".join(b"data: %d\n\n" % i for i in range(10))


async def receive_slowly(server: Server, path: str) -> None:
    client = (await server.dial()).get(path)
    await asyncio.sleep(OUTLIVED)
    assert await client.skim(until=b"the end") > SIZE


async def converse(server: Server, path: str) -> None:
    async with (
        ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.port}{path}") as socket,
    ):
        await asyncio.sleep(OUTLIVED)
        await socket.send_str("still there?")
        assert await socket.receive_str(timeout=PATIENCE) == "still there?"


async def be_refused(server: Server, path: str) -> None:
    assert (await (await server.dial()).get(path).answer()).status == 504


async def test_what_has_started_lives_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(SIZE) + b"the end")
    async with serving(application(tmp_path)) as server, asyncio.TaskGroup() as group:
        for prefix in ("", "/shielded"):
            group.create_task(receive_events(server, f"{prefix}/events"))
            group.create_task(receive_slowly(server, f"{prefix}/file"))
            group.create_task(converse(server, f"{prefix}/socket"))
        group.create_task(receive_slowly(server, "/static/file"))
        group.create_task(be_refused(server, "/never"))


async def test_under_total_and_idle_they_end_as_documented(tmp_path: Path) -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b"data: first\n\n")
        await asyncio.Event().wait()
        return stream

    async def socket(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_static("/static", tmp_path)
    (tmp_path / "file").write_bytes(bytes(SIZE) + b"the end")
    for bound in ("total", "idle"):
        app.router.add_get(f"/{bound}/events", events)
        app.router.add_get(f"/{bound}/socket", socket)
    setup(
        app,
        rule("/total/*", timeout(1, total=0.3)),
        rule("/idle/*", timeout(1, idle=0.3)),
        timeout(1, idle=0.3, total=0.3),
        errors(),
    )

    async def be_cut(path: str) -> None:
        answer = await (await server.dial()).get(path).rest()
        assert (answer.body, answer.complete) == (b"data: first\n\n", False)

    async def be_closed(path: str) -> None:
        url = f"http://127.0.0.1:{server.port}{path}"
        async with ClientSession() as session, session.ws_connect(url) as socket:
            message = await socket.receive(timeout=PATIENCE)
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)

    async with serving(app) as server, asyncio.TaskGroup() as group:
        group.create_task(be_cut("/total/events"))
        group.create_task(be_cut("/idle/events"))
        group.create_task(be_closed("/total/socket"))
        group.create_task(converse(server, "/idle/socket"))  # left to its heartbeat
        group.create_task(receive_slowly(server, "/static/file"))  # aiohttp's, after the handler
