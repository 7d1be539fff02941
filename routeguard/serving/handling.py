"""An exchange and the plan by which it is handled, as the dispatcher keeps them with a request."""

from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.running.exchange import EXCHANGE, Exchange, RequestKey
from routeguard.serving.plan import Plan

__all__ = ["AS_HANDLED", "FINISHED", "HANDLING", "Handling"]


class Handling(Exchange):
    """An exchange, with the plan by which it is handled."""

    is_preflight: bool = False
    secure: bool = False
    """Whether the client came over HTTPS, where policies ask for it."""

    def __init__(self, plan: Plan) -> None:
        self.plan: Plan = plan


# Only dispatchers put exchanges there, and only of this class.
HANDLING: "web.RequestKey[Handling]" = EXCHANGE  # type: ignore[assignment]

AS_HANDLED = RequestKey("as_handled", web.Request)
"""The clone that handlers saw: a peer that has gone cannot be asked again."""

if TYPE_CHECKING:
    ResponseKey = web.ResponseKey
else:  # aiohttp before 3.14 keys responses by AppKey
    ResponseKey = getattr(web, "ResponseKey", web.AppKey)

FINISHED = ResponseKey("finished", web.Request)
"""The request for which nothing is left to be done to a response.

For each request it is set and asked for by the name of the method, `__setitem__`, which spares the
interpreter a detour.
"""
