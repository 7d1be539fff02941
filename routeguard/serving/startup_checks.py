"""What is looked for at start-up: decorators that are misused, rules that no route can match."""

import re
from collections.abc import Iterator, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from routeguard.configuration import shown
from routeguard.paths import resolved_path
from routeguard.policy import misuse
from routeguard.routes.dry_run import resolve_now
from routeguard.routes.extents import PLACEHOLDER, leads_anywhere
from routeguard.routes.hidden import hidden_faults
from routeguard.routes.names import names_of
from routeguard.routes.rules import Rule
from routeguard.routes.scope import Scope, Statement
from routeguard.routes.walk import resources_in

__all__ = ["all_routes", "misused_handlers", "opaque_middlewares", "unmatched_rules"]


Segment = str | re.Pattern[str]
Segments = list[Segment]


def all_routes(app: web.Application) -> Iterator[web.AbstractRoute]:
    """The routes of an application and of those mounted in it."""
    for resource in app.router.resources():
        yield from resource


def misused_handlers(app: web.Application) -> list[str]:
    """For each route whose policies no request would meet, what to write instead.

    A policy stands in the handler's place, or a foreign decorator hides it.
    """
    misplaced: dict[tuple[str, str], list[str]] = {}
    for route in all_routes(app):
        if (fault := misuse(route.handler)) is not None:
            path = "" if route.resource is None else route.resource.canonical
            misplaced.setdefault((path, fault), []).append(route.method)
    return [
        *(f"{','.join(sorted(on))} {path}: {fault}" for (path, fault), on in misplaced.items()),
        *hidden_faults(all_routes(app)),
    ]


def opaque_middlewares(
    app: web.Application, dispatcher: Middleware, beside: Sequence[Statement]
) -> list[str]:
    """For each old-style middleware that others cannot be put inside of, what to write instead.

    aiohttp calls an old-style factory with the handler when the application starts, and what it
    returns cannot be looked into. A middleware that is to run next to the handler would run
    outside of it, and so outside the sessions and the authentication that it may need.

    Args:
        app: an application that was set up.
        dispatcher: its dispatcher; what stands in front of it is of no concern.
        beside: the statements of middlewares that are to run next to a handler.
    """
    faults: list[str] = []
    for apps, _, resource in resources_in((app,)):
        stated = next((one for one in beside if one.app in apps), None)
        if resource is not None or stated is None:
            continue
        for around in apps:
            listed = list(around.middlewares)
            if around is app:
                listed = listed[listed.index(dispatcher) + 1 :]
            for one in listed:
                if getattr(one, "__middleware_version__", None) != 1:
                    name = getattr(one, "__qualname__", None) or shown(one)
                    faults.append(
                        f"{stated.policy!r} ({stated.place}) would run outside the application's "
                        f"middleware {name}, a factory of the old style: write @web.middleware "
                        f"above {name} and have it take (request, handler), or name it in "
                        f"setup(..., outside=[...])"
                    )
    return list(dict.fromkeys(faults))


def unmatched_rules(scope: Scope) -> list[tuple[int, Rule]]:
    """The exact, canonical and prefix rules that no route can match, with their positions."""
    if not scope.rules.rules or leads_anywhere(scope.app.router):
        return []
    routed = Routed(scope)
    return [(i, rule) for i, rule in enumerate(scope.rules.rules) if not routed.can_match(rule)]


class Routed:
    """What the routes of an application, and of those mounted in it, can be asked for."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._added: set[int] = set()
        self._methods: dict[str, set[str]] = {}
        """The methods of each name of a resource."""
        self._ancestors: set[str] = {""}
        """Everything below which a path is routed, as far as paths are fixed."""
        self._open: dict[str, list[Segments | None]] = {}
        """By what their paths begin with: the segments of dynamic routes, where they are plain."""
        for route in all_routes(scope.app):
            if route.resource is not None:
                self._add(route.resource, route.method)

    def _add(self, resource: web.AbstractResource, method: str) -> None:
        names = names_of(resource, self._scope.mount.prefix)
        canonical = resolved_path(names[0])
        for name in (*names, canonical):
            self._methods.setdefault(name, set()).add(method)
        if id(resource) in self._added:
            return
        self._added.add(id(resource))
        fixed = canonical.partition("{")[0]
        if isinstance(resource, web.StaticResource):
            fixed = fixed.rstrip("/") + "/"
        if fixed != canonical:
            self._open.setdefault(fixed, []).append(_segments(resource, canonical))
        end = fixed.rfind("/")
        while end > 0 and fixed[:end] not in self._ancestors:
            self._ancestors.add(fixed[:end])
            end = fixed.rfind("/", 0, end)

    def can_match(self, rule: Rule) -> bool:
        """Whether some request that is routed can be meant; a regex may always."""
        text = rule.pattern.text
        match rule.pattern.kind:
            case "canonical":
                methods = self._methods.get(text, set())
                return bool(methods) and (
                    rule.methods is None or "*" in methods or not methods.isdisjoint(rule.methods)
                )
            case "prefix":
                return text in self._ancestors or any(
                    _lies_above(text, segments)
                    for fixed, several in self._open.items()
                    if f"{text}/".startswith(fixed)
                    for segments in several
                )
            case "exact":
                return text in self._methods or any(
                    resolves(self._scope.app, method, self._scope.mount.prefix + text)
                    for method in sorted(rule.methods or {"GET"})
                )
            case _:
                return True


def _segments(resource: web.AbstractResource, canonical: str) -> Segments | None:
    """What matches each segment of a dynamic route's paths; `None` where that cannot be told."""
    if type(resource) is not web.DynamicResource:
        return None
    names = PLACEHOLDER.findall(resource.canonical)
    first, *texts = map(re.escape, PLACEHOLDER.split(resource.canonical))
    plain = first + "".join(
        f"(?P<{name[1:-1]}>[^{{}}/]+){text}" for name, text in zip(names, texts, strict=True)
    )
    if resource.get_info()["pattern"].pattern != plain:
        return None  # a placeholder with a regex of its own may take anything
    return [_segment(text) for text in canonical.split("/")[1:]]


def _segment(text: str) -> Segment:
    """What matches one segment: its text; or a pattern, where a placeholder is in it."""
    texts = PLACEHOLDER.split(text)
    return text if len(texts) == 1 else re.compile("[^/]+".join(map(re.escape, texts)))


def _lies_above(prefix: str, segments: Segments | None) -> bool:
    """Whether a path below a prefix can be one of a dynamic route's."""
    if segments is None:
        return True
    parts = prefix.split("/")[1:]
    return len(parts) < len(segments) and all(
        segment == part if isinstance(segment, str) else segment.fullmatch(part)
        for segment, part in zip(segments, parts, strict=False)
    )


def resolves(app: web.Application, method: str, path: str) -> bool:
    """Whether an application routes a path, for whatever method, and by whatever domain."""
    try:
        match_info = resolve_now(app, method, URL.build(path=path))
    except Exception:
        return True  # a resource or condition of somebody else's that needs a real request
    error = match_info.http_exception
    if error is None or error.status != web.HTTPNotFound.status_code:
        return True
    return any(
        resolves(resource.get_info()["app"], method, path)
        for resource in app.router.resources()
        if "rule" in resource.get_info()
    )
