"""Policies that go by the client, its scheme or its host, and what stands in front of them."""

from collections.abc import Iterator

from routeguard.finding import Finding
from routeguard.keys import client_address
from routeguard.network.authorities import Authority
from routeguard.network.peers import DEFAULT_TRUSTED
from routeguard.policies.concurrency_limit.policy import concurrency_limit
from routeguard.policies.hosts.policy import hosts
from routeguard.policies.https.policy import https
from routeguard.policies.proxied.policy import proxied
from routeguard.policies.rate_limit.policy import rate_limit
from routeguard.policy import Policy
from routeguard.routes.walk import Visit, Walk
from routeguard.telling.statements import by_route, route_place, statements

__all__ = ["redirected_to_other_hosts", "without_proxy"]


def without_proxy(walk: Walk) -> Iterator[Finding]:
    """RG403: a policy that takes the proxy for the client, where others know of a proxy."""
    known = next((one for one, _ in statements(walk) if _knows_proxy(one)), None)
    if known is None:
        return
    for visits in by_route(walk.visits):
        for one in _taken_in(visits[0]):
            yield Finding(
                "RG403",
                "warning",
                route_place(visits),
                f"{one!r} sees the proxy that {known!r} elsewhere speaks of, and not the client",
                "state proxied(...) as a fallback, for all routes",
            )


def _knows_proxy(policy: Policy) -> bool:
    return isinstance(policy, proxied) or (
        isinstance(policy, https) and policy.trusted != DEFAULT_TRUSTED
    )


def _taken_in(visit: Visit) -> Iterator[Policy]:
    """The policies of a route that see its proxy in the client's place."""
    decisions = visit.resolution.decisions
    if proxied in decisions and decisions[proxied].considered:
        return  # exempt(proxied) is an answer, too
    policies = [one.policy for decision in decisions.values() for one in decision.winners]
    secured = [one for one in policies if isinstance(one, https)]
    yield from (one for one in secured if one.trusted == DEFAULT_TRUSTED)
    if not secured:  # else RG601 has it
        yield from (one for one in policies if _counts_by_address(one))


def _counts_by_address(policy: Policy) -> bool:
    return isinstance(policy, rate_limit | concurrency_limit) and policy.key is client_address


def redirected_to_other_hosts(walk: Walk) -> Iterator[Finding]:
    """RG404: `hosts` that refuses where the redirect of `https` leads to."""
    for visits in by_route(walk.visits):
        decisions = visits[0].resolution.decisions
        guarding = decisions[hosts].policy if hosts in decisions else None
        secured = decisions[https].policy if https in decisions else None
        if isinstance(guarding, hosts) and isinstance(secured, https) and secured.redirect:
            for asked, target in _refused_targets(guarding, secured):
                yield Finding(
                    "RG404",
                    "warning",
                    route_place(visits),
                    f"{secured!r} redirects http://{asked} to https://{target}, which "
                    f"{guarding!r} refuses",
                    f"admit it too: hosts({str(target)!r}, ...), or leave the port out",
                )


def _refused_targets(guarding: hosts, secured: https) -> Iterator[tuple[Authority, Authority]]:
    for pattern in guarding.patterns:
        written = pattern.authority
        host = f"www.{written.host}" if pattern.subdomains else written.host
        asked = Authority(host, None if written.port == 80 else written.port)
        target = secured.target_of(asked)
        if written.port is not None and not guarding.admits(target, "https"):
            yield asked, target
