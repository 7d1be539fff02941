"""Rules that never apply: no route matches, or an earlier rule always does."""

from collections.abc import Iterator

from yarl import URL

from routeguard.policies.exempt import exempt
from routeguard.policy import Policy, kind_name, kind_of
from routeguard.routes.dry_run import resolve_now
from routeguard.routes.extents import covers, extent_of, overlap
from routeguard.routes.resolution import canonical_of, positions_of
from routeguard.routes.rules import Pattern, Rule
from routeguard.routes.scope import Scope, scopes_of
from routeguard.routes.walk import Visit, Walk, place_of_rule
from routeguard.telling.checks.stated import few
from routeguard.telling.finding import Finding

__all__ = ["rules_shadowed", "rules_without_route"]


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
        f"{visit.method} {visit.canonical}"
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
    never = [policy for policy in rule.policies if _kinds_of(policy) & dead.keys()]
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
            canonical = _canonical_at(scope, method, text)
            found = scope.rules.matching(method, text, canonical)
            return [i for i in found if i < position and _takes_methods_of(rules[i].methods, rule)]
        case "canonical":
            candidates = scope.rules.matching(method, text, text)
        case "prefix":
            candidates = scope.rules.matching(method, f"{text}/x", None)
        case _:
            candidates = tuple(range(position))
    return [i for i in candidates if i < position and covers(rules[i], rule)]


def _takes_methods_of(methods: frozenset[str] | None, rule: Rule) -> bool:
    return methods is None or (rule.methods is not None and rule.methods <= methods)


def _canonical_at(scope: Scope, method: str, path: str) -> str | None:
    try:
        url = URL.build(path=scope.mount.prefix + path)
        return canonical_of(resolve_now(scope.app, method, url), scope)
    except RuntimeError:
        return None  # a resource that waits for something outside to route


def _kinds(rule: Rule) -> set[type[Policy]]:
    return {kind for policy in rule.policies for kind in _kinds_of(policy) if not kind.adds_up}


def _kinds_of(policy: Policy) -> frozenset[type[Policy]]:
    return policy.kinds if isinstance(policy, exempt) else frozenset({kind_of(type(policy))})
