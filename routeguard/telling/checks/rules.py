"""Rules that never apply: no route matches, or an earlier rule always does."""

from collections.abc import Iterator

from aiohttp import web
from yarl import URL

from routeguard.configuration import ConfigError, shown
from routeguard.finding import Finding, few
from routeguard.policies.exempt import kinds_of
from routeguard.policy import Policy, kind_name
from routeguard.routes.dry_run import resolve_now
from routeguard.routes.extents import covers, extent_of, overlap
from routeguard.routes.names import names_of, text_of
from routeguard.routes.resolution import positions_of
from routeguard.routes.rules import Pattern, Rule
from routeguard.routes.scope import Scope, scopes_of
from routeguard.routes.walk import Visit, Walk, place_of_rule

__all__ = ["rules_naming_several", "rules_shadowed", "rules_without_route"]


def rules_without_route(walk: Walk) -> Iterator[Finding]:
    """RG101: rules that match no route, or none with their methods."""
    matched = {(scope.app, i) for visit in walk.visits for scope, i in visit.splitting}
    for visit in walk.visits:
        positions = positions_of(visit.match_info, visit.method, visit.path)
        for scope, found in zip(scopes_of(visit.match_info), positions, strict=True):
            matched.update((scope.app, position) for position in found)
    for scope in walk.scopes:
        for position, rule in enumerate(scope.rules.rules):
            if (scope.app, position) not in matched and not _matches_everything(rule):
                yield _unmatched(walk, scope, position, rule)


def _matches_everything(rule: Rule) -> bool:
    return rule.methods is None and rule.pattern == Pattern("prefix", "")


def _unmatched(walk: Walk, scope: Scope, position: int, rule: Rule) -> Finding:
    methods = ", ".join(sorted(rule.methods or ()))
    sharing = [
        f"{visit.method} {visit.name}"
        for visit in walk.visits
        if rule.methods is not None and _shares_paths(rule, visit, scope)
    ]
    if sharing:
        message = f"no route that it matches has the method {methods}: there is {few(sharing)}"
        remedy = "correct the methods, or leave the rule out"
    else:
        message = "it matches no route of the application, so it protects nothing"
        remedy = "correct the pattern (`routes` lists the paths), or leave the rule out"
    return Finding("RG101", "error", place_of_rule(scope, position), message, remedy)


def _shares_paths(rule: Rule, visit: Visit, scope: Scope) -> bool:
    return scope in scopes_of(visit.match_info) and (
        overlap(rule.pattern, extent_of(visit.match_info, scope)) != "none"
    )


def rules_naming_several(walk: Walk) -> Iterator[Finding]:
    """RG107: canonical rules that apply to several resources which differ in regexes alone."""
    texts: dict[tuple[str, web.Application], dict[str, None]] = {}
    for visit in walk.visits:
        resource = visit.route.resource
        if resource is None:
            continue
        for decision in visit.resolution.decisions.values():
            deciding = decision.winners + ((decision.exempted,) if decision.exempted else ())
            for one in deciding:
                texts.setdefault((one.place, one.app), {})[text_of(resource)] = None
    for scope in walk.scopes:
        for position, rule in enumerate(scope.rules.rules):
            named = list(texts.get((place_of_rule(scope, position), scope.app), ()))
            if rule.pattern.kind == "canonical" and len(named) > 1:
                yield Finding(
                    "RG107",
                    "warning",
                    place_of_rule(scope, position),
                    f"it applies to {len(named)} resources, which differ in the regexes of their "
                    f"placeholders alone: {few(named)}",
                    f"write the text of the one that is meant: {shown(_relative(named[0], scope))}",
                )


def _relative(text: str, scope: Scope) -> str:
    return text.removeprefix(scope.mount.prefix) or "/"


def rules_shadowed(walk: Walk) -> Iterator[Finding]:
    """RG102: rules of which some policy never applies, since an earlier rule says it first."""
    for scope in walk.scopes:
        for position, rule in enumerate(scope.rules.rules):
            dead: dict[type[Policy], int] = {}
            for earlier in _earlier_and_wider(scope, position):
                for kind in _kinds(scope.rules.rules[earlier]) & _kinds(rule):
                    dead.setdefault(kind, earlier)
            if dead:
                yield _shadowed(scope, position, dead)


def _shadowed(scope: Scope, position: int, dead: dict[type[Policy], int]) -> Finding:
    rule = scope.rules.rules[position]
    never = [policy for policy in rule.policies if kinds_of(policy) & dead.keys()]
    first = min(dead.values())
    names = ", ".join(sorted(kind_name(kind) for kind in dead))
    part = "the rule" if len(never) == len(rule.policies) else ", ".join(map(repr, never))
    place = place_of_rule(scope, first)
    return Finding(
        "RG102",
        "error",
        place_of_rule(scope, position),
        f"{part} never applies: {place} comes first, matches all the same requests, and states "
        f"{names}",
        f"put it before rule {first + 1}, or leave it out",
    )


def _earlier_and_wider(scope: Scope, position: int) -> list[int]:
    """The earlier rules that match whatever a rule matches."""
    rules = scope.rules.rules
    rule = rules[position]
    text = rule.pattern.text
    method = "GET" if rule.methods is None else min(rule.methods)
    match rule.pattern.kind:
        case "exact":
            found = scope.rules.matching(method, text, _names_at(scope, method, text))
            return [i for i in found if i < position and _takes_methods_of(rules[i].methods, rule)]
        case "canonical":
            candidates = scope.rules.matching(method, text, rule.pattern.names)
        case "prefix":
            candidates = scope.rules.matching(method, f"{text}/x", ())
        case _:
            candidates = tuple(range(position))
    return [i for i in candidates if i < position and covers(rules[i], rule)]


def _takes_methods_of(methods: frozenset[str] | None, rule: Rule) -> bool:
    return methods is None or (rule.methods is not None and rule.methods <= methods)


def _names_at(scope: Scope, method: str, path: str) -> tuple[str, ...]:
    try:
        url = URL.build(path=scope.mount.prefix + path)
        resource = resolve_now(scope.app, method, url).route.resource
    except ConfigError:
        return ()  # a resource that waits for something outside to route
    return () if resource is None else names_of(resource, scope.mount.prefix)


def _kinds(rule: Rule) -> set[type[Policy]]:
    return {kind for policy in rule.policies for kind in kinds_of(policy) if not kind.adds_up}
