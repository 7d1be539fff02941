"""The answers to preflights: the target's policy decides; what is granted again is kept."""

from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from routeguard.bounded import Bounded
from routeguard.policies.cors.preflight import (
    REQUEST_HEADERS,
    REQUEST_METHOD,
    Refusal,
    grant,
    refuse,
)
from routeguard.running.application import Running

if TYPE_CHECKING:
    from routeguard.policies.cors.serving import BoundCors

__all__ = ["Preflights"]

KEPT_GRANTS = 2048
LONGEST_KEY = 512


class Preflights:
    """Answers the preflights of one run of an application."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._grants: Bounded[CIMultiDict[str]] = Bounded(KEPT_GRANTS)

    async def answer(self, request: web.Request, kind: type["BoundCors"]) -> web.Response | None:
        """The answer; `None` where the preflight is the application's own business."""
        headers = request.headers
        path = request.rel_url.raw_path
        origins = headers.getall("Origin")
        methods = headers.getall(REQUEST_METHOD)
        names = headers.getall(REQUEST_HEADERS, ())
        # All that a grant depends on, where no predicate is asked.
        question = (path, *origins, None, *methods, None, *names)
        granted = self._grants.get(question)
        if granted is None:
            reached = await self._running.reach(request, methods[0])
            bound = next((one for one in reached.bound if isinstance(one, kind)), None)
            if bound is None:
                return None
            policy = bound.policy
            reached.remember()
            try:
                granted = await grant(policy, request, reached.method, routed=reached.routed)
            except Refusal as refusal:
                return refuse(policy, request, reached.method, bound.place, refusal)
            # Header lines may be many and empty.
            length = len(question) + sum(map(len, (path, *origins, *methods, *names)))
            if reached.is_kept and policy.asks_nobody and length <= LONGEST_KEY:
                self._grants.put(question, granted)
        # Some versions of aiohttp go on to write into what they are given.
        return web.Response(status=204, headers=granted.copy())
