"""How a response that has started and cannot be finished is ended, so that the client can tell."""

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp.http import HttpVersion11, StreamWriter

from routeguard.internals.connection import (
    forget_cancelled_drain,
    reset,
    reset_later,
    stop_sending_file,
)

__all__ = ["GOING_AWAY", "INTERNAL_ERROR", "can_be_answered", "cut_off"]

# RFC 6455, section 7.4.1.
GOING_AWAY = 1001
INTERNAL_ERROR = 1011

CLOSING_GRACE = 1.0
"""Seconds for what has been sent to reach the client before its connection is reset."""


def can_be_answered(request: web.BaseRequest, response: web.StreamResponse | None) -> bool:
    """Whether nothing of a response has left yet, so that another can take its place.

    A response that was interrupted while it was being prepared has changed the writer, which
    the next one is going to use: that is undone, as far as aiohttp lets one.

    Args:
        request: the request.
        response: the response that was begun, if one was.
    """
    sent = request.writer.output_size
    if isinstance(sent, int) and sent > 0:  # no int in a request that a test has mocked
        return False
    if response is not None and response.compression:
        return False
    writer = request.writer
    if isinstance(writer, StreamWriter):
        if response is None and writer.chunked:
            return False  # begun before our hook could see it: it may be compressed
        writer.chunked = False
    writer.length = None
    return True


async def cut_off(request: web.BaseRequest, response: web.StreamResponse | None, code: int) -> None:
    """Ends a started response so that its body is seen to be incomplete.

    aiohttp closes the connection when the handler fails. That tells the client in a chunked
    body and in one of known length, but not where the end of the connection is the end of the
    body (RFC 9112, section 6.3); there the connection is reset. A WebSocket is closed. A client
    that does not read what was sent before holds the connection for a second at most.

    Args:
        request: the request.
        response: its response, as far as it has started.
        code: the code with which a WebSocket is closed.
    """
    forget_cancelled_drain(request)
    reset_later(request, CLOSING_GRACE)
    if isinstance(response, web.WebSocketResponse):
        with suppress(TimeoutError, ConnectionError, RuntimeError):  # gone, or never opened
            async with asyncio.timeout(CLOSING_GRACE):
                await response.close(code=code)
    elif response is None or (
        # aiohttp sets the length when the body has ended; 0 is that of an unfinished one.
        response.body_length == 0
        and (
            request.writer.output_size == 0
            or (request.version < HttpVersion11 and response.content_length is None)
        )
    ):
        reset(request.transport)
    elif isinstance(response, web.FileResponse) and response.body_length == 0:
        await stop_sending_file(request)
