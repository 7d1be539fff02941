"""An application that tells the scheme it sees."""

from typing import Any

from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from tests.support.rawhttp import Reply, read_reply, talk

__all__ = ["FORWARDED", "NOTED", "PLAIN", "SECURE", "application", "ask", "tell"]

FORWARDED = "X-Forwarded-Proto: https"
# aiohttp before 3.14 keys requests by AppKey.
NOTED: Any = getattr(web, "RequestKey", web.AppKey)("noted", str)

SECURE = b"https True https://localhost/tell?x=1 https://localhost/tell"
PLAIN = b"http False http://localhost/tell?x=1 http://localhost/tell"


async def tell(request: web.Request) -> web.Response:
    """Answers with the scheme in every place where a handler may look for it."""
    url = request.url.join(request.app.router["tell"].url_for())
    return web.Response(text=f"{request.scheme} {request.secure} {request.url} {url}")


def application(*policies: routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/tell", tell, name="tell")
    routeguard.setup(app, *policies)
    return app


async def ask(
    aiohttp_server: AiohttpServer, app: web.Application, request: bytes, method: str = "GET"
) -> Reply:
    server = await aiohttp_server(app)
    received = await talk(request, port=server.port)
    assert received.count(b"HTTP/1.") == 1
    return read_reply(received, method=method)
