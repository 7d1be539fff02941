"""Names and rules of HTTP that several parts of the library go by."""

import re
from typing import TypeGuard

from aiohttp import web
from multidict import CIMultiDict, istr

__all__ = [
    "REQUEST_METHOD",
    "TOKEN",
    "VARY",
    "is_cors_header",
    "is_http_exception",
    "is_websocket_handshake",
    "vary_by",
]

REQUEST_METHOD = istr("Access-Control-Request-Method")
"""The header by which a preflight says what it asks about (Fetch, CORS-preflight request)."""

VARY = istr("Vary")

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A method or a field name (RFC 9110, section 5.6.2)."""

CORS_PREFIX = "access-control-"


def is_cors_header(name: str) -> bool:
    """Whether a header is one of CORS: `Access-Control-Allow-Origin` and its like."""
    return name[: len(CORS_PREFIX)].lower() == CORS_PREFIX


def vary_by(headers: "CIMultiDict[str]", *names: str) -> None:
    """Adds names to `Vary` (RFC 9110, section 12.5.5), each once, keeping what is there."""
    lines = headers.getall(VARY, None)
    if lines is None:
        headers[VARY] = ", ".join(names)
        return
    tokens = {token.strip().lower() for line in lines for token in line.split(",")}
    missing = [] if "*" in tokens else [name for name in names if name.lower() not in tokens]
    if missing:
        headers[VARY] = ", ".join([line for line in lines if line.strip()] + missing)


def is_http_exception(error: BaseException) -> TypeGuard[web.HTTPException]:
    """Whether an exception is a response too.

    To ask `isinstance`, of a class with an abstract base, takes several times as long.
    """
    return web.HTTPException in type(error).__mro__


def is_websocket_handshake(request: web.BaseRequest) -> bool:
    """Whether a request asks to become a WebSocket (RFC 6455, section 4.1)."""
    if request.method != "GET":
        return False
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"
