"""What `explain` tells of `hosts`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Asked
from routeguard.running.proxies import asked_authority

if TYPE_CHECKING:
    from routeguard.policies.hosts.policy import hosts

__all__ = ["rows"]


def rows(policy: "hosts", asked: Asked) -> Iterator[tuple[str, str]]:
    """Whether a request for a host is refused; nothing where no host was asked about."""
    if "Host" not in asked.request.headers:
        return
    authority = asked_authority(asked.request)
    scheme = asked.seen.scheme or "http"
    if authority is None or not policy.admits(authority, scheme):
        does = "would refuse" if policy.report_only else "refuses"
        named = "which has no host" if authority is None else f"for {authority}"
        yield "note", f"hosts {does} the request, {named}, with 421"
