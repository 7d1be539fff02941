"""What `https` does to a request: sets its scheme, demands HTTPS, writes HSTS."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.policy import Bound
from routeguard.running.state import Run, State, StateMark, run_on_clone

if TYPE_CHECKING:
    from routeguard.policies.https.policy import https

__all__ = ["BoundHttps"]


class BoundHttps(Bound):
    """One `https` in one run of the application."""

    __slots__ = ("policy",)

    def __init__(self, policy: "https") -> None:
        self.policy: https = policy

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside sees the scheme that the client used."""
        policy = self.policy
        concerns, redirect = policy.concerns, policy.redirect

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            if not concerns(request):
                return inner(request, state)
            seen = policy.rescheme(request)
            if redirect and not seen.secure:
                policy.demand(seen)
            if seen is request:
                return inner(request, state)
            return run_on_clone(inner, seen, request, state)

        return run

    def marks(self) -> StateMark | None:
        """Writes `Strict-Transport-Security`, where it is to be written."""
        return self._mark if self.policy.hsts is not None else None

    def _mark(self, request: web.Request, response: web.StreamResponse, state: State) -> None:
        secure = request.secure or self.policy.is_secure(request)
        self.policy.write_hsts(response.headers, secure=secure)
