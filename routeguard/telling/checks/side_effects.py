"""Routes that change something, and about whose end nobody has said anything."""

from collections.abc import Iterator

from routeguard.finding import Finding
from routeguard.paths import NON_IDEMPOTENT_METHODS
from routeguard.policies.shield.policy import Shield
from routeguard.policies.timeout.policy import timeout
from routeguard.routes.walk import Visit, Walk
from routeguard.telling.statements import by_route, route_place

__all__ = ["unguarded"]

MANY = 4
"""From how many routes on it is said of the application that none of them is guarded."""


def unguarded(walk: Walk) -> Iterator[Finding]:
    """RG302: routes that change something, with neither `shield` nor `timeout`."""
    changing = [
        visit for visit in walk.visits if visit.method in NON_IDEMPOTENT_METHODS and visit.is_set_up
    ]
    found = list(by_route(visit for visit in changing if _is_unguarded(visit)))
    if len(found) >= MANY and len(found) == len(list(by_route(changing))):
        yield Finding(
            "RG302",
            "warning",
            "application",
            f"nothing bounds any of its {len(found)} routes that change something, and a client "
            f"that hangs up, or a shutdown, can end them half way through",
            "give setup a timeout(...) for all, and state @shield where the work must be finished",
            tuple(map(route_place, found)),
        )
        return
    for visits in found:
        yield Finding(
            "RG302",
            "warning",
            route_place(visits),
            "nothing bounds it, and a client that hangs up, or a shutdown, can end it half way "
            "through",
            "state @shield where the work must be finished, or @timeout(...)",
        )


def _is_unguarded(visit: Visit) -> bool:
    decisions = visit.resolution.decisions
    # timeout(None) and exempt(timeout) are answers too: somebody has thought of it.
    return not decisions[timeout].considered and not any(
        one.policy.covers(visit.method) for one in decisions[Shield].winners
    )
