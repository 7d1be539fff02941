"""What looks wrong about a `body`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Stated
from routeguard.finding import Finding

if TYPE_CHECKING:
    from routeguard.policies.body.policy import body

__all__ = ["findings"]

PROXIES_ALLOW = 2**20
"""Bytes: nginx's `client_max_body_size` where nothing is said."""


def findings(policy: "body", stated: Stated) -> Iterator[Finding]:
    """RG604: a limit that the proxy in front is not going to let anybody reach."""
    if policy.limit is not None and policy.limit > PROXIES_ALLOW:
        yield Finding(
            "RG604",
            "info",
            stated.place,
            f"{policy!r} lets more pass than nginx does where nothing is said, 1 MiB: clients get "
            f"the proxy's 413, without CORS headers",
            "set the proxy's limit as well (nginx: client_max_body_size), and ignore this code",
        )
