"""An application that tells the client, scheme and host that it sees."""

import json
from dataclasses import dataclass

from aiohttp import web

import routeguard
from tests.support.rawhttp import Reply

__all__ = ["Told", "application", "tell", "told_in"]


@dataclass(frozen=True, slots=True)
class Told:
    """A request as a handler sees it."""

    remote: str | None
    scheme: str
    host: str
    url: str


async def tell(request: web.Request) -> web.Response:
    """Answers with what it sees of the client."""
    assert request.secure == (request.scheme == "https")
    return web.json_response([request.remote, request.scheme, request.host, str(request.url)])


def told_in(reply: Reply) -> Told:
    assert reply.status == 200, (reply.status, reply.body)
    return Told(*json.loads(reply.body))


def application(*policies: routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", tell)
    routeguard.setup(app, *policies)
    return app
