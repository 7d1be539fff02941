"""What looks wrong about a `timeout`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Stated
from routeguard.finding import Finding

if TYPE_CHECKING:
    from routeguard.policies.timeout.policy import timeout

__all__ = ["findings"]

PROXIES_WAIT = 60.0
"""Seconds: nginx's `proxy_read_timeout`, and the idle timeout of the usual load balancers."""


def findings(policy: "timeout", stated: Stated) -> Iterator[Finding]:
    """RG303: a fallback past which the proxy in front has given up already."""
    silent = [seconds for seconds in (policy.seconds, policy.idle) if seconds is not None]
    if stated.kind == "fallback" and max(silent, default=0.0) > PROXIES_WAIT:
        yield Finding(
            "RG303",
            "warning",
            stated.place,
            f"{policy!r}: the usual proxies wait {PROXIES_WAIT:.0f} s for a byte, so that clients "
            f"get the proxy's 504 while the handler goes on",
            f"stay below {PROXIES_WAIT:.0f} s, or set the proxy's limit as well and ignore this "
            f"code",
        )
