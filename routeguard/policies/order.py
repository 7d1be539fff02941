"""The kinds of policy, in the order in which they nest; a new one is added here."""

from collections.abc import Collection

from routeguard.policies.body.policy import body
from routeguard.policies.concurrency_limit.policy import concurrency_limit
from routeguard.policies.cors.policy import cors
from routeguard.policies.csrf import csrf
from routeguard.policies.errors.policy import errors
from routeguard.policies.headers.policy import headers
from routeguard.policies.hosts.policy import hosts
from routeguard.policies.https.policy import https
from routeguard.policies.proxied.policy import proxied
from routeguard.policies.rate_limit.policy import rate_limit
from routeguard.policies.shield.policy import Shield
from routeguard.policies.timeout.policy import timeout
from routeguard.policies.until_shutdown.policy import until_shutdown
from routeguard.policies.use import use
from routeguard.policy import Policy

__all__ = ["ORDER", "InnermostOwnKinds", "OwnKinds", "order_of"]


class OwnKinds(Policy):
    """Stands in `ORDER` for the kinds that an application has of its own."""


class InnermostOwnKinds(Policy):
    """Stands in `ORDER` for those of them that are `innermost`: right around the work."""


ORDER: tuple[type[Policy], ...] = (
    proxied,
    https,
    cors,
    errors,
    hosts,
    csrf,
    rate_limit,
    body,
    OwnKinds,
    timeout,
    concurrency_limit,
    until_shutdown,
    Shield,
    InnermostOwnKinds,
    use,
    headers,
)
"""All kinds, outermost first. The application's own middlewares stand around `use`.

They write on responses in the same order: `headers` is last, so that it can remove what any other
kind has written.
"""


def order_of(kinds: Collection[type[Policy]]) -> list[type[Policy]]:
    """The order in which kinds nest, outermost first; always all of the library's own."""
    own = sorted(set(kinds).difference(ORDER), key=lambda kind: kind.__name__)
    ordered: list[type[Policy]] = []
    for kind in ORDER:
        if kind is OwnKinds:
            ordered += [one for one in own if not one.innermost]
        elif kind is InnermostOwnKinds:
            ordered += [one for one in own if one.innermost]
        else:
            ordered.append(kind)
    return ordered
