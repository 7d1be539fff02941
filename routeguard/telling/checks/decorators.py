"""Decorators that do not do what they say."""

import inspect
import sys
from collections.abc import Iterator

from aiohttp import web

from routeguard.finding import Finding, few
from routeguard.policies.exempt import kinds_of
from routeguard.policy import (
    VIEW_ATTRIBUTE,
    Policy,
    kind_name,
    misuse,
    policies_of,
)
from routeguard.routes.handlers import bare_handler, handler_name
from routeguard.routes.hidden import hidden_policies
from routeguard.routes.walk import Visit, Walk, method_order
from routeguard.telling.statements import route_place

__all__ = ["hidden", "misplaced", "overridden", "stated_above_routes", "without_setup"]


def overridden(walk: Walk) -> Iterator[Finding]:
    """RG103: a policy that another decorator of the same kind, on the same handler, overrides."""
    groups: dict[tuple[int, str], list[Visit]] = {}
    winners: dict[int, list[Policy]] = {}
    for visit in walk.visits:
        winners.setdefault(id(bare_handler(visit.route.handler)), []).extend(
            statement.policy
            for decision in visit.resolution.decisions.values()
            for statement in decision.winners
        )
        key = (id(visit.route.handler), visit.method if _is_view(visit) else "")
        groups.setdefault(key, []).append(visit)
    seen: set[tuple[int, int]] = set()
    for visits in groups.values():
        handler = visits[0].route.handler
        shared = winners[id(bare_handler(handler))]
        for over, under in _pairs(handler, visits[0].method):
            # A shared handler that one route tightens keeps its own policy on the others.
            wins_elsewhere = any(under is policy for policy in shared)
            if wins_elsewhere or (id(over), id(under)) in seen:
                continue
            seen.add((id(over), id(under)))
            name = handler_name(handler)
            yield Finding(
                "RG103",
                "warning",
                route_place(visits),
                f"{under!r} on {name} never applies: {over!r} above it says it first",
                "keep one of the two",
            )


def _is_view(visit: Visit) -> bool:
    return isinstance(visit.route.handler, type)


def _pairs(handler: object, method: str) -> Iterator[tuple[Policy, Policy]]:
    """Policies of one kind on one thing: each with the one above it."""
    levels = [
        [one.policy for place, _, one in policies_of(handler, method) if place != "view class"]
    ]
    if isinstance(handler, type):
        levels += [
            [attached.policy for attached in vars(base).get(VIEW_ATTRIBUTE, ())]
            for base in handler.__mro__
        ]
    for level in levels:
        nearest: dict[type[Policy], Policy] = {}
        for policy in level:
            for kind in _kinds(policy):
                over = nearest.setdefault(kind, policy)
                if over is not policy:
                    yield over, policy


def _kinds(policy: Policy) -> list[type[Policy]]:
    return sorted((kind for kind in kinds_of(policy) if not kind.adds_up), key=kind_name)


def stated_above_routes(walk: Walk) -> Iterator[Finding]:
    """RG104: a policy above `@routes.get(...)`, which registered the handler without it."""
    registered: dict[int, list[Visit]] = {}
    for visit in walk.visits:
        if not _is_view(visit):
            registered.setdefault(id(bare_handler(visit.route.handler)), []).append(visit)
    for visits in registered.values():
        bare = bare_handler(visits[0].route.handler)
        named = _by_its_name(bare)
        if named is None or bare_handler(named) is not bare:
            continue
        effective = {
            id(attached)
            for visit in visits
            for *_, attached in policies_of(visit.route.handler, visit.method)
        }
        lost = [one.policy for *_, one in policies_of(named, "GET") if id(one) not in effective]
        if lost:
            yield Finding(
                "RG104",
                "error",
                route_place(visits),
                f"{', '.join(map(repr, lost))} stands above the route decorator, which had "
                f"registered the handler already: no request meets it",
                "put the route decorator on top, policies below it",
            )


def _by_its_name(function: object) -> object:
    """What a function's own name stands for now; `None` where it has no such name."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    found: object = module
    for name in getattr(function, "__qualname__", "<none>").split("."):
        if found is None:
            return None
        found = inspect.getattr_static(found, name, None)
    return found


def misplaced(walk: Walk) -> Iterator[Finding]:
    """RG105: a policy that took the handler's place, which start-up refuses."""
    groups: dict[tuple[int, int], list[Visit]] = {}
    for visit in walk.visits:
        key = (id(visit.route.resource), id(bare_handler(visit.route.handler)))
        groups.setdefault(key, []).append(visit)
    for visits in groups.values():
        if (fault := misuse(visits[0].route.handler)) is not None:
            methods = ",".join(sorted({visit.route.method for visit in visits}, key=method_order))
            what, _, remedy = fault.partition(": write ")
            place = f"{methods} {visits[0].name}"
            yield Finding("RG105", "error", place, what, f"write {remedy}")


def hidden(walk: Walk) -> Iterator[Finding]:
    """RG108: policies that a foreign decorator hides, which start-up refuses."""
    groups: dict[tuple[int, str, str], list[Visit]] = {}
    for visit in walk.visits:
        for one in hidden_policies(visit.route.handler):
            key = (id(visit.route.resource), str(one), one.remedy)
            groups.setdefault(key, []).append(visit)
    for (_, message, remedy), visits in groups.items():
        yield Finding("RG108", "error", route_place(visits), message, remedy)


def without_setup(walk: Walk) -> Iterator[Finding]:
    """RG106: applications that were not given to `setup`, so that no decorator has any effect."""
    if not walk.scopes:
        yield Finding(
            "RG106",
            "error",
            "application",
            "neither it nor any application in it was given to setup, so that no policy applies",
            "call routeguard.setup(app, ...)",
        )
        return
    lost: dict[tuple[web.Application, ...], list[Visit]] = {}
    for visit in walk.visits:
        if not visit.is_set_up and policies_of(visit.route.handler, visit.method):
            lost.setdefault(visit.match_info.apps, []).append(visit)
    for visits in lost.values():
        where = f" at {visits[0].mounts[-1]}" if visits[0].mounts else ""
        names = few(f"{visit.method} {visit.name}" for visit in visits)
        yield Finding(
            "RG106",
            "error",
            f"application{where}",
            f"neither it nor one around it was given to setup, so that the policies on {names} "
            f"have no effect",
            "call routeguard.setup on it, or on an application around it",
        )
