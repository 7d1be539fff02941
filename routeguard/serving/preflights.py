"""The answers to preflights: the target's policy decides; what is granted again is kept."""

from aiohttp import web
from multidict import CIMultiDict

from routeguard.bounded import Bounded
from routeguard.policies.cors.policy import ORIGIN
from routeguard.policies.cors.preflight import (
    REQUEST_HEADERS,
    REQUEST_METHOD,
    Refusal,
    grant,
    refuse,
)
from routeguard.serving.plan import PlanBook
from routeguard.serving.preflight_targets import Targets
from routeguard.serving.unrouted_preflights import UnroutedPreflights

__all__ = ["Preflights"]

KEPT_GRANTS = 2048
LONGEST_KEY = 512


class Preflights:
    """Answers the preflights of one run of an application."""

    __slots__ = ("_grants", "_targets")

    def __init__(self, plans: PlanBook, unrouted: UnroutedPreflights) -> None:
        self._targets = Targets(plans, unrouted)
        self._grants: Bounded[CIMultiDict[str]] = Bounded(KEPT_GRANTS)

    async def answer(self, request: web.Request) -> web.Response | None:
        """The answer; `None` where the preflight is the application's own business."""
        headers = request.headers
        path = request.rel_url.raw_path
        origins = headers.getall(ORIGIN)
        methods = headers.getall(REQUEST_METHOD)
        names = headers.getall(REQUEST_HEADERS, ())
        # All that a grant depends on, where no predicate is asked.
        question = (path, *origins, None, *methods, None, *names)
        granted = self._grants.get(question)
        if granted is None:
            target = await self._targets.of(request)
            policy = target.plan.cors
            if policy is None:
                return None
            try:
                granted = await grant(policy, request, target.method, routed=target.routed)
            except Refusal as refusal:
                return refuse(policy, request, target.method, target.plan.cors_source, refusal)
            # Header lines may be many and empty.
            length = len(question) + sum(map(len, (path, *origins, *methods, *names)))
            if target.is_kept and policy.asks_nobody and length <= LONGEST_KEY:
                self._grants.put(question, granted)
        # Some versions of aiohttp go on to write into what they are given.
        return web.Response(status=204, headers=granted.copy())
