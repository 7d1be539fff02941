"""What is known of one request while it is being handled, shared by all its clones."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.policies.deadlines import NO_BOUNDS, Deadline

__all__ = ["EXCHANGE", "Exchange", "RequestKey", "begun_of", "exchange_of"]


class Exchange:
    """One request and its response, as far as several policies must know of each other's doings.

    Handlers to which nothing out of the ordinary happens are served without one.
    """

    secure: bool = False
    """Whether a trusted proxy has said that the client came over HTTPS."""
    detached_from: "asyncio.Task[object] | None" = None
    """The request's own task, once shielded work goes on without it: that one may still send."""

    def __init__(self, deadline: Deadline | None = None) -> None:
        self.deadline: Deadline = Deadline(NO_BOUNDS, None) if deadline is None else deadline

    @property
    def response(self) -> web.StreamResponse | None:
        """The response that has been begun, if one has."""
        return self.deadline.response


if TYPE_CHECKING:
    RequestKey = web.RequestKey
else:  # aiohttp before 3.14 keys requests by AppKey
    RequestKey = getattr(web, "RequestKey", web.AppKey)

EXCHANGE = RequestKey("exchange", Exchange)


def exchange_of(request: web.BaseRequest) -> Exchange | None:
    """The exchange of a request; `None` where there is none, so far or at all."""
    return request.get(EXCHANGE)


def begun_of(request: web.BaseRequest) -> web.StreamResponse | None:
    """The response that was begun last for a request, if one was."""
    exchange = exchange_of(request)
    return None if exchange is None else exchange.response
