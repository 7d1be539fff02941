"""The kinds of policy, in the order in which they nest; a new one is added here."""

from routeguard.policies.cors.policy import cors
from routeguard.policies.csrf import csrf
from routeguard.policies.errors.policy import errors
from routeguard.policies.https.policy import https
from routeguard.policies.shield.policy import Shield
from routeguard.policies.timeout.policy import timeout
from routeguard.policies.use import use
from routeguard.policy import Policy

__all__ = ["OUTSIDE", "WITHIN", "order_of"]

OUTSIDE: tuple[type[Policy], ...] = (https, cors, errors, csrf)
"""The kinds that nest outside those of an application's own, outermost first."""

WITHIN: tuple[type[Policy], ...] = (timeout, Shield, use)
"""The kinds that nest inside them."""


def order_of(kinds: set[type[Policy]]) -> list[type[Policy]]:
    """The order in which kinds nest, outermost first; always all of the library's own."""
    others = kinds.difference(OUTSIDE, WITHIN)
    return [*OUTSIDE, *sorted(others, key=lambda kind: kind.__name__), *WITHIN]
