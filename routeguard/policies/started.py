"""A response that has started and cannot be finished: the client must be able to tell."""

import asyncio

from aiohttp import web
from aiohttp.http import HttpVersion11

__all__ = ["cut_off"]

GOING_AWAY = 1001
CLOSING_GRACE = 1.0


async def cut_off(request: web.BaseRequest, response: web.StreamResponse | None) -> None:
    """Ends a started response so that its body is seen to be incomplete.

    aiohttp closes the connection when the handler fails. That tells the client in a chunked
    body and in one of known length, but not where the end of the connection is the end of the
    body (RFC 9112, section 6.3); there the connection is reset. A WebSocket is closed with code
    1001 (RFC 6455, section 7.4.1).

    Args:
        request: the request.
        response: its response, as far as it has started.
    """
    if response is None:
        return
    if isinstance(response, web.WebSocketResponse):
        try:
            async with asyncio.timeout(CLOSING_GRACE):
                await response.close(code=GOING_AWAY, message=b"timeout")
        except (TimeoutError, ConnectionError, RuntimeError):
            return  # gone, or never opened
    elif (
        request.version < HttpVersion11
        and response.content_length is None
        and request.writer.output_size > 0
        and request.transport is not None
    ):
        request.transport.abort()
