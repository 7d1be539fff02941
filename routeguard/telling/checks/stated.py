"""Every policy that an application states, wherever it stands; and how places are named."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from routeguard.policy import Policy, policies_of
from routeguard.routes.handlers import handler_name
from routeguard.routes.walk import Visit, Walk, method_order, place_of_rule

__all__ = ["Stated", "few", "route_place", "stated"]

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Stated:
    """A policy and its place, whether or not it ever applies."""

    policy: Policy
    place: str


def stated(walk: Walk) -> Iterator[Stated]:
    """What rules, fallbacks and handlers state, each statement once."""
    for scope in walk.scopes:
        for position, rule in enumerate(scope.rules.rules):
            place = place_of_rule(scope, position)
            yield from (Stated(policy, place) for policy in rule.policies)
        of = f" of {scope.mount.prefix}" if scope.mount.prefix else ""
        yield from (Stated(policy, f"fallback{of}") for policy in scope.fallbacks)
    seen: set[int] = set()
    for visit in walk.visits:
        for place, _, attached in policies_of(visit.route.handler, visit.method):
            if id(attached) not in seen:
                seen.add(id(attached))
                yield Stated(attached.policy, f"{place} of {handler_name(visit.route.handler)}")


def route_place(visits: Iterable[Visit]) -> str:
    """A route, as findings name it: its methods, its path and its handler."""
    several = list(visits)
    methods = ",".join(sorted({visit.method for visit in several}, key=method_order))
    return f"{methods} {several[0].name} ({handler_name(several[0].route.handler)})"


def few(names: Iterable[str]) -> str:
    """Some names, the first of them written out."""
    listed = list(dict.fromkeys(names))
    more = len(listed) - SHOWN
    return ", ".join(listed[:SHOWN]) + (f" and {more} more" if more > 0 else "")
