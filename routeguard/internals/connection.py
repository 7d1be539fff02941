"""The connection under a response that is broken off: what waits for it is let go, in time."""

import asyncio
import socket
import struct
from asyncio.trsock import TransportSocket
from contextlib import suppress

from aiohttp import web

__all__ = [
    "forget_cancelled_drain",
    "is_waiting_for_message",
    "reset",
    "reset_later",
    "stop_sending_file",
]

AT_ONCE = struct.pack("ii", 1, 0)
"""A linger time of nothing: closed with it, a TCP connection ends in a reset."""

SETTLING = 10
"""Turns of the event loop within which a file that cannot be sent any more is let go."""


def forget_cancelled_drain(request: web.BaseRequest) -> None:
    """Lets a handler that was cancelled in `write()` write again, in a `finally` block say.

    Whoever writes to a slow client waits for one future of the protocol. Cancelling the handler
    cancels that future from aiohttp 3.14 on, and it is kept: every later write would raise
    `CancelledError`, though nobody had cancelled it. Before, the future stays, and asyncio would
    complain that nobody asks it what has become of the connection.
    """
    protocol = request.protocol
    waiter: asyncio.Future[None] | None = getattr(protocol, "_drain_waiter", None)
    if waiter is None:
        return
    if waiter.cancelled():
        protocol._drain_waiter = None
    elif not waiter.done():
        # Older versions shield it from the cancellation: nobody else asks how it ends.
        waiter.add_done_callback(_retrieved)


def _retrieved(future: "asyncio.Future[None]") -> None:
    """Keeps asyncio from telling of a failure that nobody has asked for."""
    if not future.cancelled():
        future.exception()


def is_waiting_for_message(response: web.WebSocketResponse) -> bool:
    """Whether a handler waits in `receive()`: closing the WebSocket then ends the wait."""
    return response._waiting


async def stop_sending_file(request: web.BaseRequest) -> None:
    """Makes sending a file fail whose client does not read it.

    On asyncio's loops, without TLS, the file goes past the transport. Once that is closed, nobody
    tells the task that sends, which would hold the file and itself for ever. So the socket is shut
    down first, and the loop is let see it.
    """
    transport = request.transport
    connection = _socket_of(transport)
    if transport is None or not isinstance(connection, TransportSocket):
        return
    if transport.get_extra_info("sslcontext") is not None:
        return
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    for _ in range(SETTLING):
        await asyncio.sleep(0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Ends a connection by a reset, whatever is still to be sent."""
    if transport is None:
        return
    connection = _socket_of(transport)
    if connection is not None:
        with suppress(OSError):  # a Unix socket knows no reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def reset_later(request: web.BaseRequest, seconds: float) -> None:
    """Resets a connection that is not closed by then, since its client does not read.

    Args:
        request: the request.
        seconds: how long what was sent before may take to leave.
    """
    transport = request.transport
    if transport is not None:
        asyncio.get_running_loop().call_later(seconds, _reset_unless_closed, transport)


def _reset_unless_closed(transport: asyncio.Transport) -> None:
    connection = _socket_of(transport)
    # uvloop's stand-in for a socket tells the number of a file that may be another's by now.
    if isinstance(connection, TransportSocket) and connection.fileno() >= 0:
        reset(transport)
    else:
        transport.abort()


def _socket_of(
    transport: asyncio.BaseTransport | None,
) -> TransportSocket | socket.socket | None:
    found: TransportSocket | socket.socket | None = None
    if transport is not None:
        with suppress(AttributeError):  # asyncio's transport for TLS, once it is closed
            found = transport.get_extra_info("socket")
    return found
