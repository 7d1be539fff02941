"""Decorators, rules and fallbacks become one decision for each kind of policy.

What serves requests, what `explain` tells and what the command line shows all come from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from yarl import URL

from routeguard.paths import relative_path
from routeguard.policies.exempt import exempt, kinds_of
from routeguard.policies.order import order_of
from routeguard.policy import Policy, policies_of
from routeguard.routes.dry_run import resolve_now
from routeguard.routes.names import names_of
from routeguard.routes.scope import Scope, Statement, scopes_of

__all__ = [
    "Decision",
    "Resolution",
    "as_fallbacks",
    "in_rules",
    "on_handler",
    "place_of_rule",
    "positions_of",
    "resolve",
]

Positions = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What applies of one kind of policy.

    Attributes:
        kind: the kind.
        winners: the statements that apply, in the order in which they run, outermost first: at
            most one, but for `use`. Empty where there is none, or none any more (`exempt`).
        considered: all statements about the kind, nearest first.
        exempted: the `exempt` that had the last word, where it had.
    """

    kind: type[Policy]
    winners: tuple[Statement, ...]
    considered: tuple[Statement, ...]
    exempted: Statement | None = None

    @property
    def nearest_first(self) -> tuple[Statement, ...]:
        """The statements that apply, the one that is nearest to the handler first."""
        return tuple(
            one for one in self.considered if any(one is winner for winner in self.winners)
        )

    @property
    def policy(self) -> Policy | None:
        """The policy that applies, of a kind of which one does."""
        return self.winners[0].policy if self.winners else None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The decisions for one request, in the order in which the kinds nest."""

    decisions: dict[type[Policy], Decision]

    def policy(self, kind: type[Policy]) -> Policy | None:
        """The policy of a kind, if one applies."""
        return self.decisions[kind].policy


def positions_of(
    match_info: AbstractMatchInfo, method: str, path: str, url: URL | None = None
) -> Positions:
    """Which rules match a request, for each application around it, the innermost first.

    Args:
        match_info: the matched route, or that there is none.
        method: the request's method.
        path: its path, decoded.
        url: its URL, relative; where the path has no encoded slash, the path tells as much.
    """
    scopes = scopes_of(match_info)
    resources: list[web.AbstractResource] = []
    if any(scope.rules.by_name for scope in scopes):
        resources = _resources(match_info, path, url)
    route = match_info.route if isinstance(match_info, web.UrlMappingMatchInfo) else None
    is_static = route is not None and isinstance(route.resource, web.StaticResource)
    found = []
    for scope in scopes:
        names: tuple[str, ...] = ()
        if scope.rules.by_name:
            of = (name for one in resources for name in names_of(one, scope.mount.prefix))
            names = tuple(dict.fromkeys(of))
        seen = relative_path(path, scope.mount.prefix)
        matched = scope.rules.matching(method, seen, names)
        if is_static:
            # A static route opens the same file, or lists the same directory, by either spelling.
            other = seen.rstrip("/") if seen.endswith("/") else f"{seen}/"
            matched = tuple(sorted({*matched, *scope.rules.matching(method, other, names)}))
        found.append(matched)
    return tuple(found)


def _resources(
    match_info: AbstractMatchInfo, path: str, url: URL | None
) -> list[web.AbstractResource]:
    """The matched resource; where the method was refused, those that refused it."""
    if not isinstance(match_info, web.UrlMappingMatchInfo):
        return []
    refusal = match_info.http_exception
    if not isinstance(refusal, web.HTTPMethodNotAllowed):
        resource = match_info.route.resource
        return [] if resource is None else [resource]
    # aiohttp does not tell which resources they were, only what they allow.
    found: dict[int, web.AbstractResource] = {}
    for allowed in sorted(refusal.allowed_methods):
        try:
            asked = URL.build(path=path) if url is None else url
            resource = resolve_now(match_info.apps[-1], allowed, asked).route.resource
        except ValueError:
            continue  # a resource that waits for something outside, or a path that makes no URL
        if resource is not None:
            found[id(resource)] = resource
    return list(found.values())


def resolve(match_info: web.UrlMappingMatchInfo, method: str, positions: Positions) -> Resolution:
    """The decision for each kind of policy.

    Args:
        match_info: the matched route, or that there is none.
        method: the method asked for.
        positions: what `positions_of` told for this request.
    """
    levels: list[Level] = []
    if match_info.http_exception is None:
        levels += on_handler(match_info.route.handler, method, match_info.apps[-1])
    for scope, matched in zip(scopes_of(match_info), positions, strict=True):
        levels += [in_rules(scope, matched), [as_fallbacks(scope)]]
    statements = [statement for level in levels for group in level for statement in group]
    kinds = {kind for statement in statements for kind in kinds_of(statement.policy)}
    return Resolution(
        {
            kind: _added_up(kind, levels) if kind.adds_up else _nearest(kind, statements)
            for kind in order_of(kinds)
        }
    )


# What is stated together (in one rule, as fallbacks, by one decorator) is a group; the groups of
# one level stand beside each other, and run in the order in which they are given.
Group = list[Statement]
Level = list[Group]


def on_handler(handler: object, method: str, app: web.Application) -> list[Level]:
    """What is stated on a handler, nearest level first.

    Args:
        handler: a route's handler.
        method: the method asked for.
        app: the application of the route.
    """
    levels: dict[str, dict[int, Statement]] = {}
    for place, owner, attached in policies_of(handler, method):
        # A copied __dict__ shows the same statement twice.
        level = levels.setdefault(f"{place} {owner}", {})
        statement = Statement(attached.policy, place, app, place, (app, attached), handler)
        level.setdefault(id(attached), statement)
    return [[[statement] for statement in level.values()] for level in levels.values()]


def place_of_rule(scope: Scope, position: int) -> str:
    """A rule, as the places of statements name it."""
    of = f" of {scope.mount.prefix}" if scope.mount.prefix else ""
    return f'rule {position + 1} "{scope.rules.rules[position]}"{of}'


def in_rules(scope: Scope, matched: Iterable[int]) -> Level:
    """What some of an application's rules state, a group for each rule."""
    return [
        [
            Statement(
                policy, place_of_rule(scope, position), scope.app, "rule", (scope.app, position, i)
            )
            for i, policy in enumerate(scope.rules.rules[position].policies)
        ]
        for position in matched
    ]


def as_fallbacks(scope: Scope) -> Group:
    """What an application states as fallbacks."""
    of = f" of {scope.mount.prefix}" if scope.mount.prefix else ""
    return [
        Statement(policy, f"fallback{of}", scope.app, "fallback", (scope.app, i))
        for i, policy in enumerate(scope.fallbacks)
    ]


def _nearest(kind: type[Policy], statements: list[Statement]) -> Decision:
    considered = tuple(one for one in statements if kind in kinds_of(one.policy))
    if considered and isinstance(considered[0].policy, exempt):
        return Decision(kind, (), considered, considered[0])
    return Decision(kind, considered[:1], considered)


def _added_up(kind: type[Policy], levels: list[Level]) -> Decision:
    """All statements that no nearer `exempt` takes out.

    Of most kinds equal values count once, at the outermost place. Values are compared, not
    hashed: a middleware may be an object without a hash.
    """
    considered: list[Statement] = []
    kept: list[list[Statement]] = []
    taken_out: list[Policy] = []
    last_word: Statement | None = None
    for level in levels:
        kept.append([])
        for group in level:
            about = [statement for statement in group if kind in kinds_of(statement.policy)]
            considered += about
            exempts = [one for one in about if isinstance(one.policy, exempt)]
            if last_word is None:
                kept[-1] += [
                    one
                    for one in about
                    if not isinstance(one.policy, exempt) and one.policy not in taken_out
                ]
            for one in exempts:
                if isinstance(one.policy, exempt):
                    taken_out += one.policy.values
                    if last_word is None and kind in one.policy.kinds:
                        last_word = one
    winners: list[Statement] = []
    for level_kept in reversed(kept):
        for one in level_kept:
            if not kind.distinct or all(one.policy != winner.policy for winner in winners):
                winners.append(one)
    return Decision(kind, tuple(winners), tuple(considered), last_word)
