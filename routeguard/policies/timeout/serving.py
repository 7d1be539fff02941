"""What `timeout` does to a request: bounds the time of all that is inside it."""

import asyncio
import logging

from aiohttp import web

from routeguard.policy import Bound, Place
from routeguard.quoting import quoted
from routeguard.refusals import BodyTimeout
from routeguard.running.deadlines import Bounds, Deadline, HandlerTimeout
from routeguard.running.started import GOING_AWAY, can_be_answered, cut_off
from routeguard.running.state import Run, State

__all__ = ["BoundTimeout", "expired", "note_overtaken"]

logger: logging.Logger = logging.getLogger("routeguard.timeout")


class BoundTimeout(Bound):
    """One `timeout` in one run of the application."""

    __slots__ = ("bounds", "loop", "place")

    def __init__(
        self, bounds: Bounds, loop: asyncio.AbstractEventLoop | None, place: Place
    ) -> None:
        self.bounds: Bounds = bounds
        self.loop: asyncio.AbstractEventLoop | None = loop
        self.place: Place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside, under the bounds."""
        in_full = self._in_full(inner)
        clock, loop, place = self.bounds.start, self.loop, self.place
        if clock is None or self.bounds.total is not None or self.bounds.idle is not None:
            return in_full

        async def run(request: web.Request, state: State) -> web.StreamResponse:
            """Most responses start in time: an entry in the clock's queue stands for a deadline."""
            task = asyncio.current_task(loop)
            key = id(state)
            queue = clock.queue
            if key in queue or task is None or task.cancelling():
                return await in_full(request, state)
            when = clock.now() + clock.seconds
            queue[key] = (when, task, request, None)
            if clock.timer is None:
                clock.arm(when)
            state.clock, state.key = clock, key
            deadline = None
            try:
                try:
                    return await inner(request, state)
                finally:
                    state.clock = None
                    queue.pop(key, None)  # a response that has begun has left already
                    if clock.materialised:
                        deadline = clock.leave(key)
                    elif not queue:
                        clock.disarm()
            except asyncio.CancelledError as error:
                if deadline is None or not deadline.timed_out:
                    note_overtaken(request, deadline)
                    raise
                state.deadline = deadline
                raise await expired(request, deadline, state.response, error, place) from error

        return run

    def _in_full(self, inner: Run) -> Run:
        bounds, running, loop, place = self.bounds, self.bounds.running, self.loop, self.place

        async def run(request: web.Request, state: State) -> web.StreamResponse:
            deadline = Deadline(bounds, asyncio.current_task(loop), request=request)
            state.deadline = deadline
            state.watchers = (*state.watchers, deadline)
            for clock in running:
                clock.add(deadline)
            try:
                try:
                    return await inner(request, state)
                finally:
                    for clock in running:
                        clock.discard(deadline)
                    deadline.undo()
                    state.unwatch(deadline)
            except asyncio.CancelledError as error:
                if not deadline.timed_out:
                    note_overtaken(request, deadline)
                    raise
                raise await expired(request, deadline, state.response, error, place) from error

        return run


def note_overtaken(request: web.Request, deadline: Deadline | None) -> None:
    """Logs a bound that was passed where somebody else's cancellation came along with ours.

    The cancellation goes on as such, as under `asyncio.timeout`, and nobody can be answered.
    """
    passed = None if deadline is None else deadline.passed
    if passed is not None:
        told = HandlerTimeout(passed.seconds, passed.bound)
        path = quoted(request.path)
        logger.warning("%s %s: %s, and was cancelled besides", request.method, path, told)


async def expired(
    request: web.Request,
    deadline: Deadline,
    begun: web.StreamResponse | None,
    cancellation: asyncio.CancelledError,
    place: Place,
) -> HandlerTimeout | BodyTimeout:
    """The error for a bound that was passed; a response that has begun is cut off."""
    answerable = can_be_answered(request, begun)
    if not answerable:
        await cut_off(request, begun, GOING_AWAY)
    timeout = deadline.timeout(request, cancellation, answerable=answerable)
    place.tell(
        request,
        "timeout",
        "expired",
        status=timeout.status if answerable else None,
        error=timeout,
        seconds=timeout.seconds,
        bound=timeout.bound,
    )
    return timeout
