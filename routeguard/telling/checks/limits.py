"""Limits that count by something else than was meant, or that pages cannot read."""

from collections.abc import Hashable, Iterator

from aiohttp import hdrs

from routeguard.finding import Finding
from routeguard.keys import KeyFunction, client_address, header_key
from routeguard.policies.concurrency_limit.policy import concurrency_limit
from routeguard.policies.cors.policy import cors
from routeguard.policies.https.policy import https
from routeguard.policies.proxied.policy import proxied
from routeguard.policies.rate_limit.policy import rate_limit
from routeguard.policy import Policy
from routeguard.routes.scope import Statement
from routeguard.routes.walk import Visit, Walk
from routeguard.telling.statements import statement_place

__all__ = ["by_proxies_address", "by_unchecked_header", "unreadable"]


def by_proxies_address(walk: Walk) -> Iterator[Finding]:
    """RG601: a limit by address, where all requests come from the proxy's."""
    told: set[Hashable] = set()
    for visit in walk.visits:
        if not _winners(visit, https) or _winners(visit, proxied):
            continue
        for one in [*_winners(visit, rate_limit), *_winners(visit, concurrency_limit)]:
            if _key_of(one.policy) is client_address and one.key not in told:
                told.add(one.key)
                yield Finding(
                    "RG601",
                    "warning",
                    statement_place(one, visit.route.handler),
                    f"{one.policy!r} counts by the peer's address, and https says that the peer "
                    f"is a proxy: all clients share one count",
                    "state proxied(), which finds out the client's address, where https is stated",
                )


def by_unchecked_header(walk: Walk) -> Iterator[Finding]:
    """RG602: whoever makes up a header's value for each request is not limited."""
    told: set[Hashable] = set()
    for visit in walk.visits:
        limits = _winners(visit, rate_limit)
        if any(not isinstance(_key_of(one.policy), header_key) for one in limits):
            continue
        for one in limits:
            key = _key_of(one.policy)
            if isinstance(key, header_key) and one.key not in told:
                told.add(one.key)
                yield Finding(
                    "RG602",
                    "warning",
                    statement_place(one, visit.route.handler),
                    f"{one.policy!r} believes {key.name} before anything has checked it: a client "
                    f"that makes up another value for each request is not limited",
                    "state a second, wider limit by address, such as rate_limit('1000/minute')",
                )


def unreadable(walk: Walk) -> Iterator[Finding]:
    """RG603: pages that cors lets read the answers, but not what they say of the limit."""
    told: set[Hashable] = set()
    for visit in walk.visits:
        if visit.method == hdrs.METH_OPTIONS:
            continue
        limits = [one for one in _winners(visit, rate_limit) if _tells_clients(one.policy)]
        for one in _winners(visit, cors) if limits else ():
            sharing = one.policy
            if isinstance(sharing, cors) and not _exposes(sharing) and one.key not in told:
                told.add(one.key)
                yield Finding(
                    "RG603",
                    "info",
                    statement_place(one, visit.route.handler),
                    f"{sharing!r} lets pages read the answers, but neither how much of a "
                    f"rate_limit remains nor when to come again",
                    "add expose_headers=['RateLimit', 'RateLimit-Policy', 'Retry-After'] to cors",
                )


def _winners(visit: Visit, kind: type[Policy]) -> tuple[Statement, ...]:
    decision = visit.resolution.decisions.get(kind)
    return () if decision is None else decision.winners


def _key_of(policy: Policy) -> KeyFunction | None:
    return policy.key if isinstance(policy, rate_limit | concurrency_limit) else None


def _tells_clients(policy: Policy) -> bool:
    return isinstance(policy, rate_limit) and not policy.report_only


def _exposes(sharing: cors) -> bool:
    exposed = {name.lower() for name in sharing.expose_headers}
    return "ratelimit" in exposed or ("*" in exposed and not sharing.allow_credentials)
