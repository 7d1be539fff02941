"""What `concurrency_limit` does to a request: gives it a seat, has it wait, or refuses it."""

import asyncio
import logging
from inspect import isawaitable
from typing import TYPE_CHECKING

from aiohttp import web

from routeguard.keys import read_key
from routeguard.policies.concurrency_limit.refused import Overloaded
from routeguard.policies.concurrency_limit.seats import Seats
from routeguard.policy import Bound, Place
from routeguard.quoting import quoted
from routeguard.running.application import Running, Service
from routeguard.running.events import Action
from routeguard.running.state import Run, State

if TYPE_CHECKING:
    from routeguard.policies.concurrency_limit.policy import concurrency_limit

__all__ = ["BoundConcurrencyLimit"]

REASONS = {
    "full": "too many requests at a time",
    "closed": "the application is shutting down",
    "left": "the client has left the queue",
}

logger: logging.Logger = logging.getLogger("routeguard.concurrency_limit")


class BoundConcurrencyLimit(Bound):
    """One `concurrency_limit` in one run of the application."""

    __slots__ = ("_by_key", "_closed", "_loop", "_place", "_policy", "_seats")

    def __init__(self, policy: "concurrency_limit", place: Place) -> None:
        self._policy = policy
        self._place = place
        self._loop = place.running.loop or asyncio.get_running_loop()
        self._closed = False
        self._seats = self._make()
        self._by_key: dict[str, Seats] = {}
        """Of the keys that have requests now."""
        place.running.service(Limits).add(self)

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside, in a seat."""
        key_of, leave = self._policy.key, self._leave

        async def run(
            request: web.Request, state: State, seats: Seats = self._seats, key: str | None = None
        ) -> web.StreamResponse:
            # Nothing is awaited between a free seat and the task of shielded work.
            if seats.free > 0:
                seats.free -= 1
            elif not await self._has_waited(seats, request):
                return await inner(request, state)
            try:
                return await inner(request, state)
            finally:
                work = state.work
                if work is not None:
                    state.work = None
                    work.add_done_callback(lambda _: leave(seats, key))
                elif key is None:
                    seats.leave()
                else:
                    leave(seats, key)

        if key_of is None:
            return run

        async def run_by_key(request: web.Request, state: State) -> web.StreamResponse:
            found = key_of(request)
            key = read_key(await found if isawaitable(found) else found)
            if key is None:
                return await inner(request, state)
            seats = self._by_key.get(key)
            if seats is None:
                seats = self._by_key[key] = self._make()
            return await run(request, state, seats, key)

        return run_by_key

    async def _has_waited(self, seats: Seats, request: web.Request) -> bool:
        """Waits for a seat; false where there is none and the policy only reports it.

        Raises:
            Overloaded: there is none.
        """
        outcome = await seats.wait(request, self._loop)
        if outcome == "seat":
            return True
        policy, place = self._policy, self._place
        refusal = Overloaded(policy.retry_after, REASONS[outcome])
        logger.info(
            "%s %s %s: %s (%s)",
            "would refuse" if policy.report_only else "refused",
            request.method,
            quoted(request.path),
            refusal.text,
            place,
        )
        action: Action = "left" if outcome == "left" else "refused"
        action = "would refuse" if policy.report_only else action
        place.tell(request, "concurrency_limit", action, status=refusal.status, error=refusal)
        if policy.report_only:
            return False
        try:
            raise refusal
        finally:
            del refusal  # or refusal, traceback and this frame were a cycle

    def _make(self) -> Seats:
        policy = self._policy
        if policy.report_only:  # nobody is to wait: those who would are let in
            return Seats(policy.running + policy.waiting, 0)
        seats = Seats(policy.running, policy.waiting)
        if self._closed:
            seats.close()
        return seats

    def _leave(self, seats: Seats, key: str | None) -> None:
        seats.leave()
        if key is not None and seats.is_idle and self._by_key.get(key) is seats:
            del self._by_key[key]

    def close(self) -> None:
        """Sends away all who wait, and whoever would have to."""
        self._closed = True
        if not self._policy.report_only:
            for seats in (self._seats, *self._by_key.values()):
                seats.close()


class Limits(Service):
    """All concurrency limits of one run of an application."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self._limits: list[BoundConcurrencyLimit] = []

    def add(self, limit: BoundConcurrencyLimit) -> None:
        """Has a limit closed when the shutdown begins."""
        self._limits.append(limit)

    def begin_shutdown(self) -> None:
        for limit in self._limits:
            limit.close()
