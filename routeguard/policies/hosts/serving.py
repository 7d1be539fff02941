"""What `hosts` does to a request: refuses those for other hosts."""

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.network.authorities import Authority
from routeguard.policy import Bound, Place
from routeguard.quoting import quoted
from routeguard.running.events import Action
from routeguard.running.proxies import asked_authority
from routeguard.running.state import Run, State

if TYPE_CHECKING:
    from routeguard.policies.hosts.policy import hosts

__all__ = ["BoundHosts", "HostRefused"]

logger: logging.Logger = logging.getLogger("routeguard.hosts")


class HostRefused(web.HTTPMisdirectedRequest):
    """A request for a host that is not served here: 421 (RFC 9110, section 15.5.20)."""


class BoundHosts(Bound):
    """One `hosts` in one run of the application."""

    __slots__ = ("place", "policy")

    def __init__(self, policy: "hosts", place: Place) -> None:
        self.policy: hosts = policy
        self.place: Place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: requests for other hosts come no further."""
        policy = self.policy

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            authority = asked_authority(request)
            if authority is None or not policy.admits(authority, request.scheme):
                self._refuse(request, authority)
            return inner(request, state)

        return run

    def _refuse(self, request: web.Request, authority: Authority | None) -> None:
        only = self.policy.report_only
        logger.info(
            "%s %s: %s %s, by the policy of %s",
            "would refuse" if only else "refused",
            "a request without a host" if authority is None else f"host {authority}",
            quoted(request.method),
            quoted(request.path),
            self.place,
        )
        refusal = HostRefused(text="this host is not served here")
        does: Action = "would refuse" if only else "refused"
        self.place.tell(request, "hosts", does, status=refusal.status, error=refusal)
        if not only:
            try:
                raise refusal
            finally:
                del refusal  # or refusal, traceback and this frame were a cycle
