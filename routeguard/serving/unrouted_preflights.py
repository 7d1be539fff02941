"""Preflights of paths without an OPTIONS route, matched before aiohttp makes a 405 of them.

aiohttp's way to a 405 costs several times what the answer to a preflight does. It is taken once
for a path; what is found then serves the next preflights of that path.
"""

from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
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
        plan: the plan for its preflights.
    """

    allowed: frozenset[str]
    plan: object


class UnroutedMatch(web.UrlMappingMatchInfo):
    """A match that says of itself what aiohttp's own for a 405 says."""

    __slots__ = ("unrouted",)

    def __init__(self, route: web.AbstractRoute, unrouted: Unrouted) -> None:
        super().__init__({}, route)
        self.unrouted: Unrouted = unrouted

    @property
    def http_exception(self) -> web.HTTPException:
        return web.HTTPMethodNotAllowed(hdrs.METH_OPTIONS, self.unrouted.allowed)


class UnroutedPreflights(RoutelessResource):
    """Matches the preflights that are known to have no route; has no routes and no path itself."""

    def __init__(self) -> None:
        super().__init__()
        self.known: Bounded[Unrouted] = Bounded(0)
        """By path and asked method."""
        # A route of aiohttp's own for a 405 would keep aiohttp from keeping the chain around it.
        self._route = _Route(hdrs.METH_ANY, _refuse)

    async def resolve(
        self, request: web.Request
    ) -> "tuple[web.UrlMappingMatchInfo | None, set[str]]":
        if request.method == hdrs.METH_OPTIONS:
            method = request.headers.get(REQUEST_METHOD)
            if method is not None and hdrs.ORIGIN in request.headers:
                unrouted = self.known.get((request.rel_url.raw_path, method))
                if unrouted is not None:
                    return UnroutedMatch(self._route, unrouted), set()
        return None, set()

    @property
    def canonical(self) -> str:
        return "/"  # where the router's walk along a path ends, when nothing else has matched


class _Route(web.AbstractRoute):
    @property
    def name(self) -> None:
        return None

    def get_info(self) -> Any:
        return {}

    def url_for(self, *args: str, **kwargs: str) -> URL:
        raise RuntimeError("a preflight has no URL")


async def _refuse(request: web.Request) -> web.StreamResponse:
    refusal = request.match_info.http_exception
    raise refusal if refusal is not None else web.HTTPNotFound
