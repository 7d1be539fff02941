"""The request that a preflight asks about: its route, and with it its plan."""

from dataclasses import replace

from aiohttp import web

from routeguard.bounded import Bounded
from routeguard.routes.dry_run import is_routed
from routeguard.routes.scope import Mount
from routeguard.running.application import Reached
from routeguard.serving.plan import PlanBook
from routeguard.serving.unrouted_preflights import Unrouted, UnroutedPreflights

__all__ = ["Targets"]

KEPT_TARGETS = 2048
LONGEST_KEY = 512

STOCK_RESOURCES = (
    web.PlainResource,
    web.DynamicResource,
    web.StaticResource,
    Mount,
    UnroutedPreflights,
)


class Targets:
    """Tells what requests with other methods would reach; keeps what clients ask again."""

    __slots__ = ("_by_host", "_kept", "_plans", "_unrouted")

    def __init__(self, plans: PlanBook, unrouted: UnroutedPreflights) -> None:
        self._plans = plans
        self._unrouted = unrouted
        unrouted.known = Bounded(KEPT_TARGETS)
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
            match_info = await root.router.resolve(request.clone(method=method))
            match_info.add_app(root)
            bound = self._plans.find(match_info, method, request.rel_url).bound

            def remember() -> None:
                refusal = request.match_info.http_exception
                if keep and isinstance(refusal, web.HTTPMethodNotAllowed):
                    plan = self._plans.find(request.match_info, request.method, request.rel_url)
                    known = Unrouted(frozenset(refusal.allowed_methods), plan)
                    self._unrouted.known.put(key, known)

            target = Reached(method, is_routed(match_info, method), keep, bound, remember)
            if keep:
                self._kept.put(key, replace(target, remember=_nothing))
        return target


def _nothing() -> None:
    """What is remembered already."""


def _goes_by_more_than_path(app: web.Application) -> bool:
    """Whether resources exist that may ask more of a request than its method and path."""
    if type(app.router) is not web.UrlDispatcher:
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
