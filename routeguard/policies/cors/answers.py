"""The answers to preflights: the target's policy decides, and what it granted is kept."""

from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.policies.cors.preflight import (
    REQUEST_HEADERS,
    REQUEST_METHOD,
    Refusal,
    grant,
    refuse,
)
from routeguard.policy import Place
from routeguard.running.application import Running

if TYPE_CHECKING:
    from routeguard.policies.cors.serving import BoundCors

__all__ = ["Preflights"]

KEPT_GRANTS = 2048


class Preflights:
    """Answers the preflights of one run of an application."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._grants: Bounded[tuple[CIMultiDict[str], Place]] = Bounded(KEPT_GRANTS)

    async def answer(self, request: web.Request, kind: type["BoundCors"]) -> web.Response | None:
        """The answer; `None` where the preflight is the application's own business."""
        headers = request.headers
        path = request.rel_url.raw_path
        origins = headers.getall("Origin")
        methods = headers.getall(REQUEST_METHOD)
        names = headers.getall(REQUEST_HEADERS, ())
        # All that a grant depends on, where no predicate is asked.
        question = (path, *origins, None, *methods, None, *names)
        kept = self._grants.get(question)
        if kept is not None:
            granted, place = kept
        else:
            reached = await self._running.reach(request, methods[0])
            bound = next((one for one in reached.bound if isinstance(one, kind)), None)
            if bound is None:
                return None
            policy, place = bound.policy, bound.place
            reached.remember()
            try:
                granted = await grant(policy, request, reached.method, routed=reached.routed)
            except Refusal as refusal:
                answer = refuse(policy, request, reached.method, place.text, refusal)
                place.tell(request, "cors", "refused", status=answer.status)
                return answer
            # Header lines may be many and empty.
            length = len(question) + sum(map(len, (path, *origins, *methods, *names)))
            if reached.is_kept and policy.asks_nobody and length <= LONGEST_KEY:
                self._grants.put(question, (granted, place))
        place.tell(request, "cors", "granted", status=204)
        # Some versions of aiohttp go on to write into what they are given.
        return web.Response(status=204, headers=granted.copy())
