"""A WebSocket whose time is up, and a client that never answers the close frame."""

import asyncio

from aiohttp import web

from routeguard import setup, timeout
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

GOING_AWAY = 1001  # RFC 6455, section 7.4.1


async def silent(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await asyncio.Event().wait()
    return socket


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_client_that_never_answers_the_close_is_waited_for_a_second() -> None:
    async def main(loop: VirtualLoop) -> tuple[bytes, list[bool]]:
        app = web.Application()
        app.router.add_get("/", silent)
        setup(app, timeout(None, total=5), drain=0)
        [server] = await started(app)
        wire = Wire(server).send(HANDSHAKE)
        closed = []
        for seconds in (5.5, 1):
            await asyncio.sleep(seconds)
            closed.append(wire.closed)
        return bytes(wire.received), closed

    received, closed = run_virtually(main)
    assert closed == [False, True]
    head, _, frames = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert frames.startswith(b"\x88")  # a close frame
    assert int.from_bytes(frames[2:4], "big") == GOING_AWAY
