"""What `https` does to a request: sets its scheme, demands HTTPS, writes HSTS and `Vary`."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web

from routeguard.http import vary_by
from routeguard.network.authorities import TARGET_SETS_SCHEME, connection_scheme
from routeguard.policy import Bound, Place
from routeguard.running.events import Action
from routeguard.running.proxies import proxied_of
from routeguard.running.state import Run, State, StateMark, run_on_clone

if TYPE_CHECKING:
    from routeguard.policies.https.policy import https

__all__ = ["BoundHttps"]


class BoundHttps(Bound):
    """One `https` in one run of the application."""

    __slots__ = ("place", "policy")

    def __init__(self, policy: "https", place: Place) -> None:
        self.policy: https = policy
        self.place: Place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside sees the scheme that the client used."""
        policy = self.policy
        demands, names = policy.redirect is not False, policy.names

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            if not demands:
                headers = request.headers
                for name in names:
                    if name in headers:
                        break
                else:
                    if not TARGET_SETS_SCHEME or request.raw_path[:1] == "/":
                        return inner(request, state)  # as most requests
            seen = request if proxied_of(state) is not None else policy.rescheme(request)
            if demands and not seen.secure:
                self._refuse(seen)
            if seen is request:
                return inner(request, state)
            state.note(self, seen.scheme)
            return run_on_clone(inner, seen, request, state)

        return run

    def _refuse(self, request: web.Request) -> NoReturn:
        answer = self.policy.refusal(request)
        does: Action = "redirected" if answer.status < 400 else "refused"
        self.place.tell(request, "https", does, status=answer.status, error=answer)
        try:
            raise answer
        finally:
            del answer  # or exception, traceback and this frame were a cycle

    def marks(self) -> StateMark | None:
        """Writes `Strict-Transport-Security`, and `Vary` where answers depend on the scheme."""
        policy = self.policy
        return None if policy.redirect is False and policy.hsts is None else self._mark

    def _mark(self, request: web.Request, response: web.StreamResponse, state: State) -> None:
        proxied = proxied_of(state)
        names = self.policy.names if proxied is None else proxied.headers
        vary_by(response.headers, *names)
        if self.policy.hsts is not None:
            secure = self._scheme(request, state) == "https"
            self.policy.write_hsts(response.headers, secure=secure)

    def _scheme(self, request: web.Request, state: State) -> str:
        """The scheme that the client used, also where no middleware has seen the request."""
        noted = state.noted(self)
        if isinstance(noted, str):
            return noted
        proxied = proxied_of(state)
        if proxied is not None:
            return proxied.scheme or request.scheme
        return self.policy.reported(request) or connection_scheme(request)
