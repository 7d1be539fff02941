"""What is known of one request while it is being handled, shared by all its clones."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.running.clocks import CLOCKS
from routeguard.running.deadlines import Deadline

__all__ = ["EXCHANGE", "Exchange", "RequestKey", "begun_of", "deadline_of", "exchange_of"]


class Exchange:
    """One request and its response, as far as several policies must know of each other's doings.

    Handlers to which nothing out of the ordinary happens are served without one.
    """

    detached_from: "asyncio.Task[object] | None" = None
    """The request's own task, once shielded work goes on without it: that one may still send."""
    deadline: Deadline | None = None
    """Where it is not here yet, a clock may have it."""


if TYPE_CHECKING:
    RequestKey = web.RequestKey
else:  # aiohttp before 3.14 keys requests by AppKey
    RequestKey = getattr(web, "RequestKey", web.AppKey)

EXCHANGE = RequestKey("exchange", Exchange)


def exchange_of(request: web.BaseRequest) -> Exchange | None:
    """The exchange of a request; `None` where there is none, so far or at all."""
    return request.get(EXCHANGE)


def deadline_of(request: web.Request) -> Deadline | None:
    """The deadline of a request; `None` where none runs, nor any response has been begun."""
    exchange = exchange_of(request)
    if exchange is not None and exchange.deadline is not None:
        return exchange.deadline
    match_info = request.match_info
    found = (app[CLOCKS].deadline_of(id(match_info)) for app in match_info.apps if CLOCKS in app)
    return next((one for one in found if one is not None), None)


def begun_of(request: web.Request) -> web.StreamResponse | None:
    """The response that was begun last for a request, if one was."""
    deadline = deadline_of(request)
    return None if deadline is None else deadline.response
