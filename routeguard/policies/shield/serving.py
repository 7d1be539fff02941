"""What `shield` does to a request: has the application own the handler's work."""

from collections.abc import Awaitable

from aiohttp import web

from routeguard.http import is_websocket_handshake
from routeguard.policies.shield.work import ShieldedWork
from routeguard.policy import Bound, Place
from routeguard.running.deadlines import Bounds
from routeguard.running.state import Run, State

__all__ = ["BoundShield"]


class BoundShield(Bound):
    """One `shield` in one run of the application."""

    owns_work = True

    __slots__ = ("_limit", "_methods", "_place", "_websockets", "_work")

    def __init__(
        self,
        work: ShieldedWork,
        methods: frozenset[str] | None,
        limit: Bounds | None,
        place: Place,
        *,
        websockets: bool,
    ) -> None:
        self._work = work
        self._methods = methods
        self._limit = limit
        self._place = place
        self._websockets = websockets

    def for_method(self, method: str) -> Bound | None:
        """The shield, for the methods that it is stated for."""
        return self if self._methods is None or method in self._methods else None

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside, in a task that the application owns."""
        run = self.run
        return lambda request, state: run(request, inner, state)

    def run(self, request: web.Request, inner: Run, state: State) -> Awaitable[web.StreamResponse]:
        """Runs what is inside in a task that the application owns."""
        if not self._websockets and is_websocket_handshake(request):
            return inner(request, state)
        return self._work.run(request, inner, state, self._limit, self._place)
