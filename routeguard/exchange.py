"""What is known of one request while it is being handled, shared by all its clones."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.policies.deadlines import Deadline

__all__ = ["EXCHANGE", "Exchange", "RequestKey", "exchange_of"]


class Exchange(Deadline):
    """One request and its response, as far as several policies must know of each other's doings.

    It is the deadline of the request's handler, too: one object is made for a request.
    """

    response: web.StreamResponse | None = None
    """The response that has been begun, if one has."""
    secure: bool = False
    """Whether a trusted proxy has said that the client came over HTTPS."""
    detached_from: "asyncio.Task[object] | None" = None
    """The request's own task, once shielded work goes on without it: that one may still send."""


if TYPE_CHECKING:
    RequestKey = web.RequestKey
else:  # aiohttp before 3.14 keys requests by AppKey
    RequestKey = getattr(web, "RequestKey", web.AppKey)

EXCHANGE = RequestKey("exchange", Exchange)


def exchange_of(request: web.BaseRequest) -> Exchange | None:
    """The exchange of a request; `None` where no dispatcher has seen it."""
    return request.get(EXCHANGE)
