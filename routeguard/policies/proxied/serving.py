"""What `proxied` does to a request: sets its address, scheme and host."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.internals.request import change_request
from routeguard.network.authorities import connection_scheme
from routeguard.policy import Bound
from routeguard.running.proxies import Proxied, note_proxied, proxied_of
from routeguard.running.state import Run, State, StateMark, run_on_clone

if TYPE_CHECKING:
    from routeguard.policies.proxied.policy import proxied

__all__ = ["BoundProxied"]


class BoundProxied(Bound):
    """One `proxied` in one run of the application."""

    __slots__ = ("_without_host", "policy")

    def __init__(self, policy: "proxied") -> None:
        self.policy: proxied = policy
        self._without_host = Proxied(policy.scheme_headers)

    def link(self, inner: Run) -> Run:
        """The chain's link: everybody sees the client as the proxies reported it."""
        apply = self._apply

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            seen = apply(request, state)
            if seen is request:
                return inner(request, state)
            return run_on_clone(inner, seen, request, state)

        return run

    def marks(self) -> StateMark | None:
        """Sees to it that other marks and the access log see the client, too.

        Some answers are made by aiohttp before any middleware is called.
        """
        return self._mark

    def _mark(self, request: web.Request, response: web.StreamResponse, state: State) -> None:
        if proxied_of(state) is None:
            self._apply(request, state)

    def _apply(self, request: web.Request, state: State) -> web.Request:
        found = self.policy.reported(request)
        host = found.host
        proxied = self._without_host
        if host is not None:
            proxied = Proxied(proxied.headers, host)
        note_proxied(state, proxied)
        scheme = found.scheme or connection_scheme(request)
        if scheme == request.scheme and host is None and found.remote is None:
            return request
        seen = change_request(request, scheme=scheme, host=host, remote=found.remote)
        if seen is not request:
            note_proxied(state, Proxied(proxied.headers, host, seen.scheme))
        return seen
