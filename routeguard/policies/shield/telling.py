"""What looks wrong about a `shield`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Stated
from routeguard.finding import Finding, few
from routeguard.paths import IDEMPOTENT_METHODS

if TYPE_CHECKING:
    from routeguard.policies.shield.policy import Shield

__all__ = ["findings"]


def findings(policy: "Shield", stated: Stated) -> Iterator[Finding]:
    """RG301: a shield on routes that only read, which nobody misses when the client has gone."""
    reading = [one for one in stated.routes if set(one.methods) <= set(IDEMPOTENT_METHODS)]
    if reading:
        # What a handler states is for its own route, which the place names.
        is_on_handler = stated.kind not in ("rule", "fallback")
        kept = "it" if is_on_handler else few(map(str, reading))
        yield Finding(
            "RG301",
            "info",
            stated.place,
            f"shield keeps {kept} running for clients that have gone; unless it is a WebSocket, or "
            f"stores something after all, nobody needs the result",
            "leave shield out here, or write shield(methods=NON_IDEMPOTENT_METHODS)",
        )
