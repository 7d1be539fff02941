"""The request that a preflight asks about: its route, and with it its plan."""

from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView

from routeguard.bounded import Bounded
from routeguard.policies.cors.preflight import REQUEST_METHOD
from routeguard.routes.scope import Mount
from routeguard.serving.plan import Plan, PlanBook
from routeguard.serving.unrouted_preflights import UnroutedPreflights

__all__ = ["Target", "Targets", "is_routed"]

KEPT_TARGETS = 2048
LONGEST_KEY = 512

STOCK_RESOURCES = (
    web.PlainResource,
    web.DynamicResource,
    web.StaticResource,
    Mount,
    UnroutedPreflights,
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a preflight asks about."""

    method: str
    plan: Plan
    routed: bool
    is_kept: bool
    """Whether path and method alone lead to it."""


class Targets:
    """Finds the targets of preflights; what clients ask for again is kept, within bounds."""

    __slots__ = ("_by_host", "_kept", "_plans", "_unrouted")

    def __init__(self, plans: PlanBook, unrouted: UnroutedPreflights) -> None:
        self._plans = plans
        self._unrouted = unrouted
        unrouted.known = Bounded(KEPT_TARGETS)
        self._kept: Bounded[Target] = Bounded(KEPT_TARGETS)
        self._by_host: bool | None = None

    async def of(self, request: web.Request) -> Target:
        """The target of a preflight.

        The asked method is resolved from the root application's router, which is how aiohttp
        would route the request itself.
        """
        method = request.headers[REQUEST_METHOD]
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
            plan = self._plans.find(match_info, method, request.rel_url)
            target = Target(method, plan, is_routed(match_info, method), keep)
            if keep:
                self._kept.put(key, target)
                refusal = request.match_info.http_exception
                if isinstance(refusal, web.HTTPMethodNotAllowed) and plan.cors is not None:
                    self._unrouted.known.put(key, frozenset(refusal.allowed_methods))
        return target


def is_routed(match_info: web.UrlMappingMatchInfo, method: str) -> bool:
    """Whether a path routes a method; also where it routes nothing at all, and 404 is to be read.

    Args:
        match_info: what the path and method resolved to.
        method: the method, as it was asked for.
    """
    if match_info.http_exception is not None:
        return match_info.http_exception.status == web.HTTPNotFound.status_code
    handler: object = match_info.handler
    if isinstance(handler, type) and issubclass(handler, AbstractView):
        # A view has attributes that are no methods of HTTP, such as `request`.
        return method in hdrs.METH_ALL and hasattr(handler, method.lower())
    return True


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
