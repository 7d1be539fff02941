"""Every route of an application with each of its methods, resolved as its requests would be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView
from aiohttp.web_app import Application

from routeguard.routes.extents import Extent, extent_of, is_routed_to, overlap, typical_paths
from routeguard.routes.names import ambiguous, decoded, text_of
from routeguard.routes.resolution import Resolution, place_of_rule, positions_of, resolve
from routeguard.routes.scope import SCOPE, Scope, scopes_of

__all__ = [
    "METHODS",
    "Visit",
    "Walk",
    "method_order",
    "place_of_rule",
    "resources_in",
    "walk",
]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One route and method.

    Attributes:
        match_info: the match that the router would make.
        method: the method, which the route may take among others.
        path: a path of the route, decoded, for which it was resolved: one that no exact or
            prefix rule sets apart, if there is one.
        mounts: where the applications around the route, but for the root, are mounted.
        name: the canonical pattern of the route, decoded; its text in full where other
            resources share the canonical pattern.
        resolution: what applies.
        splitting: the rules that match only some paths of the route, with their positions.
    """

    match_info: web.UrlMappingMatchInfo
    method: str
    path: str
    mounts: tuple[str, ...]
    name: str
    resolution: Resolution
    splitting: tuple[tuple[Scope, int], ...]

    @property
    def route(self) -> web.AbstractRoute:
        """The route."""
        return self.match_info.route

    @property
    def is_set_up(self) -> bool:
        """Whether an application around the route was given to `setup`."""
        return bool(scopes_of(self.match_info))


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What there is in an application: its routes, and the applications that were set up."""

    visits: tuple[Visit, ...]
    scopes: tuple[Scope, ...]
    mounts: Mapping[Scope, tuple[str, ...]]
    """Where each of the applications that were set up is mounted."""


def walk(app: web.Application) -> Walk:
    """Visits every route of an application and of those mounted in it."""
    visits: list[Visit] = []
    mounted: dict[Scope, tuple[str, ...]] = {}
    shared: dict[web.Application, set[str]] = {}
    for apps, mounts, resource in resources_in((app,), ()):
        if resource is None:
            if (scope := apps[-1].get(SCOPE)) is not None:
                mounted[scope] = mounts
            shared[apps[-1]] = ambiguous(apps[-1].router.resources())
            continue
        in_full = resource.canonical in shared[apps[-1]]
        name = text_of(resource) if in_full else decoded(resource.canonical)
        for route in resource:
            visits += _visit(apps, mounts, name, route)
    return Walk(tuple(visits), tuple(mounted), mounted)


def method_order(method: str) -> tuple[int, str]:
    """A key by which methods stand in the order in which people name them."""
    return (METHODS.index(method) if method in METHODS else len(METHODS), method)


Place = tuple[tuple[web.Application, ...], tuple[str, ...], web.AbstractResource | None]


def resources_in(
    apps: tuple[web.Application, ...], mounts: tuple[str, ...] = ()
) -> Iterator[Place]:
    """The resources of an application and of those mounted in it.

    Args:
        apps: the application, and those around it, the outermost first.
        mounts: where they are mounted, but for the outermost.

    Yields:
        For each application first itself with `None`, then each of its resources.
    """
    yield apps, mounts, None
    for resource in apps[-1].router.resources():
        info = resource.get_info()
        inner = info.get("app")
        if not isinstance(inner, Application):
            yield apps, mounts, resource
        elif "rule" in info:
            domain = info["rule"].get_info().get("domain", info["rule"].canonical)
            yield from resources_in((*apps, inner), (*mounts, f"host {domain}"))
        else:
            yield from resources_in((*apps, inner), (*mounts, decoded(info["prefix"])))


def _visit(
    apps: tuple[web.Application, ...],
    mounts: tuple[str, ...],
    name: str,
    route: web.AbstractRoute,
) -> Iterator[Visit]:
    match_info = web.UrlMappingMatchInfo({}, route)
    for app in reversed(apps):
        match_info.add_app(app)
    extents = [(scope, extent_of(match_info, scope)) for scope in scopes_of(match_info)]
    splitting = [pair for scope, extent in extents for pair in _splitting(scope, extent)]
    paths = typical_paths(match_info)
    for method in _methods(route):
        for_method = [(s, i) for s, i in splitting if s.rules.rules[i].covers(method)]
        path = _least_special(match_info, method, paths, for_method)
        resolution = resolve(match_info, method, positions_of(match_info, method, path))
        yield Visit(match_info, method, path, mounts, name, resolution, tuple(for_method))


def _methods(route: web.AbstractRoute) -> list[str]:
    handler: object = route.handler
    if route.method != hdrs.METH_ANY:
        return [route.method]
    if isinstance(handler, type) and issubclass(handler, AbstractView):
        taken: list[str] = [method for method in METHODS if hasattr(handler, method.lower())]
        return taken
    others = [] if route.resource is None else [one.method for one in route.resource]
    return [method for method in METHODS if method not in others]


def _splitting(scope: Scope, extent: Extent) -> Iterator[tuple[Scope, int]]:
    # The index tells in no time that most routes are not split at all.
    if not extent.is_single and scope.rules.splits(extent.fixed):
        for position, rule in enumerate(scope.rules.rules):
            if overlap(rule.pattern, extent) == "some":
                yield scope, position


def _least_special(
    match_info: web.UrlMappingMatchInfo,
    method: str,
    paths: list[str],
    splitting: list[tuple[Scope, int]],
) -> str:
    """The path that the fewest of the rules match which set some paths of the route apart."""
    apart = {(scope.app, i) for scope, i in splitting if _by_text(scope, i)}
    scopes = scopes_of(match_info)

    def special(path: str) -> int:
        positions = positions_of(match_info, method, path)
        matched = zip(scopes, positions, strict=True)
        return sum((scope.app, i) in apart for scope, found in matched for i in found)

    routed = (path for path in paths if is_routed_to(match_info, path))
    ordinary = min(routed, key=special, default=None) if apart else next(routed, None)
    return paths[0] if ordinary is None else ordinary


def _by_text(scope: Scope, position: int) -> bool:
    return scope.rules.rules[position].pattern.kind in ("exact", "prefix")
