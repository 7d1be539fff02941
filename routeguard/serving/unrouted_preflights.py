"""Preflights of paths without an OPTIONS route, matched before aiohttp makes a 405 of them.

aiohttp's way to a 405 costs several times what the answer to a preflight does. It is taken once
for a path; what is found then serves the next preflights of that path.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import SystemRoute
from yarl import URL

from routeguard.bounded import Bounded
from routeguard.http import REQUEST_METHOD
from routeguard.routes.marker_resources import RoutelessResource

__all__ = ["Unrouted", "UnroutedMatch", "UnroutedPreflights"]


@dataclass(frozen=True, slots=True, eq=False)
class Unrouted:
    """A path without an OPTIONS route.

    Attributes:
        allowed: the methods that it routes.
        route: the route that matches of its preflights name.
    """

    allowed: frozenset[str]
    route: web.AbstractRoute


class UnroutedMatch(web.UrlMappingMatchInfo):
    """A match with the 405 that aiohttp's own match for such a request has."""

    __slots__ = ("unrouted",)

    unrouted: Unrouted

    @property
    def http_exception(self) -> web.HTTPException:
        return web.HTTPMethodNotAllowed(hdrs.METH_OPTIONS, self.unrouted.allowed)


class UnroutedPreflights(RoutelessResource):
    """Matches the preflights that are known to have no route; has no routes and no path itself."""

    def __init__(self) -> None:
        super().__init__()
        self.begin(0)

    def begin(self, limit: int) -> None:
        """Makes ready for one run of the application: nothing is known yet.

        Args:
            limit: how many paths with an asked method are remembered at most.
        """
        self._known: Bounded[Unrouted] = Bounded(limit)
        self._routes: Bounded[web.AbstractRoute] = Bounded(limit)

    def remember(
        self, key: tuple[str, str], allowed: Iterable[str], plan: Hashable, *, is_watched: bool
    ) -> web.AbstractRoute:
        """Makes this resource match further preflights of a path.

        Args:
            key: the path and the method that is asked about.
            allowed: the methods that the path routes.
            plan: the plan for its preflights.
            is_watched: whether other middlewares or hooks see the match.

        Returns:
            The route that the matches name, which is one for each plan.
        """
        route = self._routes.get(plan)
        if route is None:
            route = _WatchedRoute() if is_watched else _UnwatchedRoute(hdrs.METH_ANY, _refuse)
            self._routes.put(plan, route)
        self._known.put(key, Unrouted(frozenset(allowed), route))
        return route

    async def resolve(
        self, request: web.Request
    ) -> "tuple[web.UrlMappingMatchInfo | None, set[str]]":
        if request.method == hdrs.METH_OPTIONS:
            method = request.headers.get(REQUEST_METHOD)
            if method is not None and hdrs.ORIGIN in request.headers:
                unrouted = self._known.get((request.rel_url.raw_path, method))
                if unrouted is not None:
                    match = UnroutedMatch({}, unrouted.route)
                    match.unrouted = unrouted
                    return match, set()
        return None, set()

    @property
    def canonical(self) -> str:
        return "/"  # where the router's walk along a path ends, when nothing else has matched


class _WatchedRoute(SystemRoute):
    """The route of such preflights where other middlewares or hooks see it.

    They recognise the route of a request that matches none by its class, `SystemRoute`. aiohttp
    builds the chain of middlewares around such a route for each request, which takes half as
    long as the whole answer.
    """

    def __init__(self) -> None:
        super().__init__(web.HTTPMethodNotAllowed(hdrs.METH_OPTIONS, ()))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        return await _refuse(request)


class _UnwatchedRoute(web.AbstractRoute):
    """The route of such preflights where only the dispatcher sees it; aiohttp keeps its chain."""

    @property
    def name(self) -> None:
        return None

    def get_info(self) -> Any:
        return {}

    def url_for(self, *args: str, **kwargs: str) -> URL:
        raise RuntimeError("a preflight has no URL")


async def _refuse(request: web.Request) -> web.StreamResponse:
    # An exception that was raised before is not sent again.
    raise request.match_info.http_exception or web.HTTPNotFound()


# Tools name requests after their handler: the first preflight of a path and the next ones alike.
for _handler in (_refuse, _WatchedRoute._handle):
    _handler.__module__ = SystemRoute._handle.__module__
    _handler.__qualname__ = SystemRoute._handle.__qualname__
