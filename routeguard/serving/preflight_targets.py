"""The request that a preflight asks about: its route, and with it its plan."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace

from aiohttp import web

from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.routes.dry_run import is_routed
from routeguard.routes.extents import leads_anywhere
from routeguard.routes.scope import Mount
from routeguard.running.application import Reached
from routeguard.serving.plan import PlanBook
from routeguard.serving.unrouted_preflights import UnroutedPreflights

__all__ = ["Targets"]

KEPT_TARGETS = 2048

STOCK_RESOURCES = (
    web.PlainResource,
    web.DynamicResource,
    web.StaticResource,
    Mount,
    UnroutedPreflights,
)


class Targets:
    """Finds what requests with other methods would reach, and keeps what was found."""

    __slots__ = ("_by_host", "_is_watched", "_kept", "_plans", "_unrouted")

    def __init__(
        self, plans: PlanBook, unrouted: UnroutedPreflights, is_watched: Callable[[], bool]
    ) -> None:
        """Tells by plans.

        Args:
            plans: the plans of the run.
            unrouted: where preflights without a route are remembered.
            is_watched: tells, once requests come, whether others see a request before the
                dispatcher, or its response.
        """
        self._plans = plans
        self._is_watched = is_watched
        self._unrouted = unrouted
        unrouted.begin(KEPT_TARGETS)
        self._kept: Bounded[Reached] = Bounded(KEPT_TARGETS)
        self._by_host: bool | None = None

    async def reach(self, request: web.Request, method: str) -> Reached:
        """What a preflight asks about.

        The asked method is resolved from the root application's router, which is how aiohttp
        would route the request itself.
        """
        root = request.match_info.apps[0]
        if self._by_host is None:
            self._by_host = _goes_by_more_than_path(root)
        path = request.rel_url.raw_path
        key = (path, method)
        keep = not self._by_host and len(path) + len(method) <= LONGEST_KEY
        target = self._kept.get(key) if keep else None
        if target is None:
            resolving = _resolve(root.router, request.clone(method=method))
            # In a context of its own: crash reporters that watch the router name the request after
            # the route that is resolved in its context, and this is another request.
            match_info = await asyncio.create_task(resolving, context=Context())
            match_info.add_app(root)
            bound = self._plans.find(match_info, method, request.rel_url).bound

            def remember() -> None:
                refusal = request.match_info.http_exception
                if keep and isinstance(refusal, web.HTTPMethodNotAllowed):
                    plan = self._plans.find(request.match_info, request.method, request.rel_url)
                    allowed = refusal.allowed_methods
                    is_watched = root is not self._plans.running.app or self._is_watched()
                    route = self._unrouted.remember(key, allowed, plan, is_watched=is_watched)
                    self._plans.keep(route, plan)

            target = Reached(method, is_routed(match_info, method), keep, bound, remember)
            if keep:
                self._kept.put(key, replace(target, remember=_nothing))
        return target


async def _resolve(router: web.UrlDispatcher, request: web.Request) -> web.UrlMappingMatchInfo:
    return await router.resolve(request)


def _nothing() -> None:
    """Does nothing: the preflight is remembered already."""


def _goes_by_more_than_path(app: web.Application) -> bool:
    """Whether resources exist that may ask more of a request than its method and path."""
    if leads_anywhere(app.router):
        return True
    for resource in app.router.resources():
        info = resource.get_info()
        if "rule" in info:
            return True
        if "app" in info:
            if _goes_by_more_than_path(info["app"]):
                return True
        elif type(resource) not in STOCK_RESOURCES:
            return True
    return False
