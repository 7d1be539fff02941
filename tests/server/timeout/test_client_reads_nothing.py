"""A client that reads nothing holds neither a handler nor a connection once its stream is cut."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

from routeguard import HandlerTimeout, Policy, setup, shield, shielded_count, timeout
from tests.support.certificate import Certificate, make_certificate
from tests.support.messages import request
from tests.support.serving import Server, serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UPGRADE: dict[str, Any] = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

BOUNDS: dict[str, list[Policy]] = {
    "total": [timeout(None, total=0.3)],
    "limit": [shield(limit=0.3)],
    "shield and total": [shield, timeout(None, total=0.3)],
}

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Streams:
    """Handlers that send without end, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.ended = asyncio.Event()
        self.file = folder / "large"
        with self.file.open("wb") as file:
            file.truncate(50_000_000)

    def open_files(self) -> int:
        opened = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        return sum(os.path.realpath(one) == str(self.file) for one in opened)

    async def flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 60_000)
        finally:
            self.ended.set()

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        try:
            while True:
                await response.send_bytes(b"x" * 60_000)
        finally:
            self.ended.set()

    async def send_file(self, request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(self.file)
        try:
            await response.prepare(request)
        finally:
            self.ended.set()
        return response

    async def flood_with_last_words(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 60_000)
        finally:
            await response.write(b"y" * 100_000)  # so much that the writer waits for the client
            self.ended.set()


@asynccontextmanager
async def asked_by_one_who_reads_nothing(
    handler: Handler, policies: list[Policy], message: bytes
) -> AsyncIterator[tuple[web.Application, Server, socket.socket]]:
    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, *policies, drain=0)
    async with serving(app, shutdown_timeout=1) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(message)
            await until(lambda: server.connections)
            yield app, server, client


def run(loop: str, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["flood", "socket", "send_file"])
@pytest.mark.parametrize("bound", BOUNDS)
def test_the_connection_is_gone_soon_after_the_cut(
    bound: str, kind: str, loop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        streams = Streams(tmp_path)
        policies = BOUNDS[bound]
        handler: Handler = getattr(streams, kind)
        message = request("GET", "/")
        if kind == "socket":
            handler = policies[0](handler)  # a handshake is shielded by a decorator of its own
            message = request("GET", "/", **UPGRADE)
        async with asked_by_one_who_reads_nothing(handler, policies, message) as (app, server, _):
            async with asyncio.timeout(5):
                await soon(streams.ended)
                await until(lambda: server.connections == 0)
                await until(lambda: shielded_count(app) == 0)
                await until(lambda: streams.open_files() == 0)

    run(loop, main())
    assert unexpected(caplog) == []
    # A client that is not reached any more is no failure of the work.
    shielded = [one for one in caplog.records if one.name == "routeguard.shield"]
    assert [one.getMessage() for one in shielded if one.levelname == "ERROR"] == []


def unexpected(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was raised beside the bound that was passed, and a client that is no more reached."""
    return [
        repr(record.exc_info[1])
        for record in caplog.records
        if record.exc_info
        and not isinstance(record.exc_info[1], HandlerTimeout | ConnectionError | type(None))
    ]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["flood", "send_file"])
@pytest.mark.parametrize("bound", ["total", "limit"])
def test_so_too_over_tls(
    bound: str,
    kind: str,
    loop: str,
    certificate: Certificate,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        streams = Streams(tmp_path)
        app = web.Application()
        app.router.add_get("/", getattr(streams, kind))
        setup(app, *BOUNDS[bound], drain=0)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        tls = certificate.server_context()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        port = runner.addresses[0][1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=certificate.client_context(), server_hostname="localhost"
        )
        writer.write(request("GET", "/"))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            async with asyncio.timeout(10):
                await soon(streams.ended)
                await until(lambda: not (runner.server and runner.server.connections))
                await until(lambda: streams.open_files() == 0)
                await asyncio.sleep(1.2)  # the timer that resets what is still open has run
        finally:
            writer.transport.abort()
            await runner.cleanup()

    run(loop, main())
    assert unexpected(caplog) == []


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("bound", ["total", "limit"])
def test_a_handler_cancelled_in_write_can_still_write_its_last_words(
    bound: str, loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        streams = Streams(tmp_path)
        message = request("GET", "/")
        async with asked_by_one_who_reads_nothing(
            streams.flood_with_last_words, BOUNDS[bound], message
        ) as (_, _, client):
            await soon_readable(client)
            async with asyncio.timeout(5):
                await soon(streams.ended)

    run(loop, main())


async def soon_readable(client: socket.socket) -> None:
    """The client begins to read once the bound has passed, until there is no more."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.5)
    client.setblocking(False)
    try:
        while await loop.sock_recv(client, 1 << 20):
            pass
    except ConnectionError:
        pass
