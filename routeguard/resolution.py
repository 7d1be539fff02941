"""Decorators, rules and fallbacks become one decision for each kind of policy.

What serves requests, what `explain` tells and what the command line shows all come from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from yarl import URL

from routeguard.kinds import order_of
from routeguard.paths import relative_path
from routeguard.policies.exempt import exempt
from routeguard.policy import Policy, kind_of, policies_of
from routeguard.scope import Scope, Statement, scopes_of

__all__ = ["Decision", "Resolution", "canonical_of", "positions_of", "resolve"]

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


def canonical_of(match_info: AbstractMatchInfo, scope: Scope) -> str | None:
    """The canonical pattern of the matched resource, relative to an application and decoded."""
    route = match_info.route if isinstance(match_info, web.UrlMappingMatchInfo) else None
    resource = None if route is None else route.resource
    if resource is None:
        return None
    path = URL.build(path=resource.canonical, encoded=True).path
    return path.removeprefix(scope.mount.prefix) or "/"


def positions_of(match_info: AbstractMatchInfo, method: str, path: str) -> Positions:
    """Which rules match a request, for each application around it, the innermost first."""
    return tuple(
        scope.rules.matching(
            method,
            relative_path(path, scope.mount.prefix),
            canonical_of(match_info, scope),
        )
        for scope in scopes_of(match_info)
    )


def resolve(match_info: web.UrlMappingMatchInfo, method: str, positions: Positions) -> Resolution:
    """The decision for each kind of policy.

    Args:
        match_info: the matched route, or that there is none.
        method: the method asked for.
        positions: what `positions_of` told for this request.
    """
    levels = [_on_handler(match_info, method)]
    for scope, matched in zip(scopes_of(match_info), positions, strict=True):
        levels += [_in_rules(scope, matched), _as_fallbacks(scope)]
    statements = [statement for level in levels for statement in level]
    kinds = {kind for statement in statements for kind in _kinds(statement.policy)}
    return Resolution(
        {
            kind: _added_up(kind, levels) if kind.adds_up else _nearest(kind, statements)
            for kind in order_of(kinds)
        }
    )


def _on_handler(match_info: web.UrlMappingMatchInfo, method: str) -> list[Statement]:
    if match_info.http_exception is not None:
        return []
    found: dict[tuple[str, int], Statement] = {}
    for place, policy in policies_of(match_info.route.handler, method):
        # A copied __dict__ shows the same statement twice.
        statement = Statement(policy, place, match_info.apps[-1])
        found.setdefault((place, id(policy)), statement)
    return list(found.values())


def _in_rules(scope: Scope, matched: Iterable[int]) -> list[Statement]:
    of = f" of {scope.mount.prefix}" if scope.mount.prefix else ""
    return [
        Statement(policy, f'rule {position + 1} "{scope.rules.rules[position]}"{of}', scope.app)
        for position in matched
        for policy in scope.rules.rules[position].policies
    ]


def _as_fallbacks(scope: Scope) -> list[Statement]:
    of = f" of {scope.mount.prefix}" if scope.mount.prefix else ""
    return [Statement(policy, f"fallback{of}", scope.app) for policy in scope.fallbacks]


def _kinds(policy: Policy) -> frozenset[type[Policy]]:
    if isinstance(policy, exempt):
        return policy.kinds | {kind_of(type(value)) for value in policy.values}
    return frozenset({kind_of(type(policy))})


def _nearest(kind: type[Policy], statements: list[Statement]) -> Decision:
    considered = tuple(one for one in statements if kind in _kinds(one.policy))
    if considered and isinstance(considered[0].policy, exempt):
        return Decision(kind, (), considered, considered[0])
    return Decision(kind, considered[:1], considered)


def _added_up(kind: type[Policy], levels: list[list[Statement]]) -> Decision:
    """All statements that no nearer `exempt` takes out; each value once, at its outermost place."""
    considered = []
    kept: list[list[Statement]] = []
    taken_out: set[Policy] = set()
    last_word: Statement | None = None
    for level in levels:
        kept.append([])
        for statement in level:
            policy = statement.policy
            if kind not in _kinds(policy):
                continue
            considered.append(statement)
            if isinstance(policy, exempt):
                taken_out |= policy.values
                if last_word is None and kind in policy.kinds:
                    last_word = statement
            elif last_word is None and policy not in taken_out:
                kept[-1].append(statement)
    outermost_first = [statement for level in reversed(kept) for statement in level]
    once = {statement.policy: statement for statement in reversed(outermost_first)}
    winners = tuple(s for s in outermost_first if once[s.policy] is s)
    return Decision(kind, winners, tuple(considered), last_word)
