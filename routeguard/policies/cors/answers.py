"""The answers to preflights: the target's policy decides, and what it granted is kept."""

from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.policies.cors.fields import ORIGIN
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

    def answer_again(self, request: web.Request) -> web.Response | None:
        """The answer to a preflight like one that was granted before; `None` for all others."""
        kept = self._grants.get(_question(request))
        return None if kept is None else _granted(request, *kept)

    async def answer(self, request: web.Request, kind: type["BoundCors"]) -> web.Response | None:
        """The answer; `None` where the preflight is the application's own business."""
        reached = await self._running.reach(request, request.headers[REQUEST_METHOD])
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
        question = _question(request)
        # Header lines may be many and empty.
        length = len(question) + sum(len(part) for part in question if part is not None)
        if reached.is_kept and policy.asks_nobody and length <= LONGEST_KEY:
            self._grants.put(question, (granted, place))
        return _granted(request, granted, place)


def _question(request: web.Request) -> tuple[str | None, ...]:
    """All that a grant depends on, where no predicate is asked."""
    headers = request.headers
    return (
        request.rel_url.raw_path,
        *headers.getall(ORIGIN),
        None,
        *headers.getall(REQUEST_METHOD),
        None,
        *headers.getall(REQUEST_HEADERS, ()),
    )


def _granted(request: web.Request, granted: "CIMultiDict[str]", place: Place) -> web.Response:
    if place.running.observers:
        place.tell(request, "cors", "granted", status=204)
    # Some versions of aiohttp go on to write into what they are given.
    return web.Response(status=204, headers=granted.copy())
