"""Which requests open a WebSocket."""

from aiohttp import web

__all__ = ["is_websocket_handshake"]


def is_websocket_handshake(request: web.BaseRequest) -> bool:
    """Whether a request asks to become a WebSocket (RFC 6455, section 4.1)."""
    if request.method != "GET":
        return False
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"
