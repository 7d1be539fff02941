"""What is looked for at start-up: decorators that are misused, rules that no route can match."""

from collections.abc import Iterator

from aiohttp import web
from yarl import URL

from routeguard.paths import relative_path
from routeguard.policy import misuse
from routeguard.routing import resolve_now
from routeguard.rules import Rule
from routeguard.scope import Scope

__all__ = ["all_routes", "misused_handlers", "unmatched_rules"]


def all_routes(app: web.Application) -> Iterator[web.AbstractRoute]:
    """The routes of an application and of those mounted in it."""
    for resource in app.router.resources():
        yield from resource


def misused_handlers(app: web.Application) -> list[str]:
    """For each route in whose handler's place a policy stands, what to write instead."""
    return [
        f"{route.method} {'' if route.resource is None else route.resource.canonical}: {fault}"
        for route in all_routes(app)
        if (fault := misuse(route.handler)) is not None
    ]


def unmatched_rules(scope: Scope) -> list[tuple[int, Rule]]:
    """The exact, canonical and prefix rules that no route can match, with their positions."""
    if not scope.rules.rules:
        return []
    canonicals, ancestors, open_prefixes = _routed(scope)

    def is_matched(rule: Rule) -> bool:
        text = rule.pattern.text
        match rule.pattern.kind:
            case "canonical":
                return text in canonicals
            case "prefix":
                return text in ancestors or any(
                    f"{text}/".startswith(fixed) for fixed in open_prefixes
                )
            case "exact":
                return text in canonicals or any(
                    resolves(scope.app, method, scope.mount.prefix + text)
                    for method in sorted(rule.methods or {"GET"})
                )
            case _:
                return True

    return [(i, rule) for i, rule in enumerate(scope.rules.rules) if not is_matched(rule)]


def resolves(app: web.Application, method: str, path: str) -> bool:
    """Whether an application routes a path for any method, with or without its mount prefix."""
    match_info = resolve_now(app, method, URL.build(path=path))
    error = match_info.http_exception
    if error is None or error.status != web.HTTPNotFound.status_code:
        return True
    return any(
        resolves(resource.get_info()["app"], method, path)
        for resource in app.router.resources()
        if "rule" in resource.get_info()
    )


def _routed(scope: Scope) -> tuple[set[str], set[str], list[str]]:
    """Canonical paths, everything that a path can lie under, and what dynamic routes begin with."""
    canonicals: set[str] = set()
    ancestors: set[str] = {""}
    open_prefixes: set[str] = set()
    for route in all_routes(scope.app):
        resource = route.resource
        if resource is None:
            continue
        decoded = URL.build(path=resource.canonical, encoded=True).path
        canonical = relative_path(decoded, scope.mount.prefix)
        if canonical in canonicals:
            continue
        canonicals.add(canonical)
        fixed = canonical.partition("{")[0]
        if isinstance(resource, web.StaticResource):
            fixed = fixed.rstrip("/") + "/"
        if fixed != canonical:
            open_prefixes.add(fixed)
        end = fixed.rfind("/")
        while end > 0:
            ancestors.add(fixed[:end])
            end = fixed.rfind("/", 0, end)
    return canonicals, ancestors, sorted(open_prefixes)
