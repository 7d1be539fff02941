"""Where `cors` and `csrf` disagree about an origin."""

import re
from collections.abc import Iterator

from routeguard.finding import Finding, few
from routeguard.paths import IDEMPOTENT_METHODS
from routeguard.policies.cors.policy import cors
from routeguard.policies.csrf import csrf
from routeguard.policy import Policy
from routeguard.routes.resolution import Decision
from routeguard.routes.scope import Statement
from routeguard.routes.walk import Visit, Walk
from routeguard.telling.statements import route_place

__all__ = ["cors_against_csrf"]


def cors_against_csrf(walk: Walk) -> Iterator[Finding]:
    """RG204: origins whose pages may read the answers to requests that are always refused."""
    refused: dict[tuple[Policy, Policy], list[tuple[Visit, Statement]]] = {}
    for visit in walk.visits:
        if visit.method in IDEMPOTENT_METHODS:
            continue
        sharing, guarding = _winner(visit, cors), _winner(visit, csrf)
        if sharing is not None and guarding is not None:
            key = (sharing.policy, guarding.policy)
            refused.setdefault(key, []).append((visit, sharing))
    for (sharing_policy, guarding_policy), found in refused.items():
        assert isinstance(sharing_policy, cors) and isinstance(guarding_policy, csrf)
        origins = _refused(sharing_policy, guarding_policy)
        if origins:
            visits, statements = zip(*found, strict=True)
            others = len({visit.name for visit in visits}) - 1
            more = f" and {others} more routes" if others else ""
            first = [visit for visit in visits if visit.route is visits[0].route]
            yield Finding(
                "RG204",
                "warning",
                f"{route_place(first)}{more}",
                f"cors ({statements[0].place}) allows {few(origins)}, and {guarding_policy!r} "
                f"refuses what their pages send",
                "list the origins in csrf(trusted_origins=…) too, or leave them out of cors",
            )


def _winner(visit: Visit, kind: type[Policy]) -> Statement | None:
    decision: Decision | None = visit.resolution.decisions.get(kind)
    return decision.winners[0] if decision is not None and decision.winners else None


def _refused(sharing: cors, guarding: csrf) -> list[str]:
    """The origins that one allows and the other refuses, as far as can be told."""
    if not isinstance(sharing.origins, tuple):
        return [] if guarding.trusted_origins else ["what its predicate admits"]
    if sharing.everyone:
        return ["every origin"]
    found = []
    for origin in sharing.origins:
        if isinstance(origin, re.Pattern):
            if not guarding.trusted_origins:
                found.append(f"re.compile({origin.pattern!r})")
        elif isinstance(origin, str) and not _is_trusted(guarding, origin):
            found.append(origin)
    return found


def _is_trusted(guarding: csrf, origin: str) -> bool:
    # One origin stands for all that a pattern admits.
    example = origin.replace("://*.", "://subdomain.").removesuffix(":*")
    return origin in guarding.trusted_origins or guarding.trusts(example)
