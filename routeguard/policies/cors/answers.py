"""The answers to preflights: the target's policy decides, and what it granted is kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web
from multidict import CIMultiDict

from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.internals.response import headers_to_give
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

__all__ = ["Preflights", "grant_answer", "question_of"]

KEPT_GRANTS = 2048

Question: TypeAlias = tuple[str | None, ...]
"""All that a grant depends on, where no predicate is asked."""

Grant: TypeAlias = "tuple[CIMultiDict[str], Place]"
"""The headers of a grant, and where the policy is stated that grants it."""


class Preflights:
    """Answers the preflights of one run of an application."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._grants: Bounded[Grant] = Bounded(KEPT_GRANTS)
        self.granted: Callable[[Question], Grant | None] = self._grants.get
        """What was granted to a question before; `None` for all others."""

    async def answer(
        self, request: web.Request, question: Question, kind: type["BoundCors"]
    ) -> web.Response | None:
        """The answer; `None` where the preflight is the application's own business.

        Args:
            request: the preflight.
            question: what it asks, for which no grant is kept.
            kind: what the policies are bound to that decide.
        """
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
        # Header lines may be many and empty.
        length = len(question) + sum(len(part) for part in question if part is not None)
        if reached.is_kept and policy.asks_nobody and length <= LONGEST_KEY:
            self._grants.put(question, (granted, place))
        return grant_answer(request, granted, place)


def question_of(request: web.Request) -> Question:
    """What a preflight asks."""
    headers = request.headers
    return (
        request.rel_url.raw_path,
        *headers.getall(ORIGIN),
        None,
        *headers.getall(REQUEST_METHOD),
        None,
        *headers.getall(REQUEST_HEADERS, ()),
    )


def grant_answer(request: web.Request, granted: "CIMultiDict[str]", place: Place) -> web.Response:
    """The answer that grants what a preflight asks for.

    Args:
        request: the preflight.
        granted: the headers.
        place: where the policy is stated that grants it.
    """
    if place.running.observers:
        place.tell(request, "cors", "granted", status=204)
    return web.Response(status=204, headers=headers_to_give(granted))
