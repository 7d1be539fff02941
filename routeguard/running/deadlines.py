"""Deadlines: exact, and cheap, because one timer serves all that wait equally long.

Requests under the same duration expire in the order in which they came. So a queue in order of
arrival and one timer of the event loop for its oldest entry serve them all, exactly; entering is
a dictionary insert and leaving a pop. A deadline that is extended leaves the queue for a timer of
its own, and so delays nobody.

What a deadline does to the task is what `asyncio.timeout` of CPython does, to the letter.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

from aiohttp import web

from routeguard.internals.bodies import is_waiting_for_body
from routeguard.internals.connection import forget_cancelled_drain
from routeguard.internals.request import close_after_answer
from routeguard.refusals import BodyTimeout

__all__ = ["NO_BOUNDS", "Bound", "Bounds", "Clock", "Deadline", "HandlerTimeout", "clock_of"]

Bound = Literal["start", "idle", "total", "limit"]


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """What tells an event loop's time."""
    # asyncio's own loops tell the time by this function, and take as long again to do so.
    plain = getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time
    return time.monotonic if plain else loop.time


class HandlerTimeout(TimeoutError):
    """A handler ran past one of its bounds and was cancelled.

    Attributes:
        seconds: the bound that was passed, in seconds.
        bound: which one: `"start"`, `"idle"`, `"total"` (of `timeout`) or `"limit"` (of
            `shield`).
        status: 504, the status of the answer.
        in_body: whether the handler waited for more of the request's body then. It is
            `BodyTimeout` that is raised for that, unless the response had started already.
    """

    status = 504
    in_body: bool = False

    def __init__(self, seconds: float, bound: Bound) -> None:
        self.seconds = seconds
        self.bound: Bound = bound
        super().__init__(seconds, bound)

    def __str__(self) -> str:
        what = {
            "start": "the response did not start within",
            "idle": "the stream was silent for",
            "total": "the handler did not finish within",
            "limit": "the shielded handler did not finish within",
        }[self.bound]
        return f"{what} {self.seconds:g} s"


Entry: TypeAlias = tuple[float, "asyncio.Task[object] | None", "web.Request | None", object]
"""An entry of a clock's queue: when the time is up. An entry under a key also has the task to
cancel then, the task's request, and the fast lane that serves it, if one does."""


class Clock:
    """One duration in one event loop: a queue in order of expiry, and a timer for the oldest.

    The queue has two sorts of entries: those of a `Deadline`, and those of a plain key (the `id` of
    a request's match or state), which cost less. For a key, a `Deadline` is materialised only
    when one is needed: when its time is up, or when somebody asks how much time is left.
    """

    __slots__ = ("_bounds", "bound", "loop", "materialised", "now", "queue", "seconds", "timer")

    def __init__(self, bound: Bound, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self.bound: Bound = bound
        self.seconds: float = seconds
        self.loop: asyncio.AbstractEventLoop = loop
        self.now: Callable[[], float] = clock_of(loop)
        self.queue: dict[Deadline | int, Entry] = {}
        """The entries in order of expiry, by deadline or key."""
        self.timer: asyncio.TimerHandle | None = None
        self.materialised: dict[int, Deadline] = {}
        """The deadlines that were made for keys, by key."""
        self._bounds: Bounds = NO_BOUNDS if seconds == math.inf else Bounds(start=self)

    def arm(self, when: float) -> None:
        """Sets the timer for the first entry of the queue."""
        if when < math.inf:
            self.timer = self.loop.call_at(when, self._ring)

    def disarm(self) -> None:
        """Leaves no timer behind when the queue is empty."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def leave(self, key: int) -> "Deadline | None":
        """Removes a key; returns the deadline that was made for it, undone, or `None`."""
        self.discard(key)
        deadline = self.materialised.pop(key, None)
        if deadline is not None:
            deadline.undo()
        return deadline

    def deadline_of(self, key: int) -> "Deadline | None":
        """The deadline of a key, made if there was none; `None` once it has left."""
        deadline = self.materialised.get(key)
        if deadline is None and (entry := self.queue.get(key)) is not None:
            _, task, request, _ = entry
            deadline = self.materialised[key] = Deadline(self._bounds, task, key, request)
        return deadline

    def add(self, deadline: "Deadline") -> None:
        """Starts a deadline's time."""
        when = self.now() + self.seconds
        self.queue[deadline] = (when, None, None, None)
        if self.timer is None:
            self.arm(when)

    def response_started(self, key: int, response: web.StreamResponse) -> None:
        """The response of a key's request has started, so the bound on its start no longer runs."""
        deadline = self.materialised.get(key)
        if deadline is None:
            self.discard(key)
        else:
            deadline.response_started(response)

    def server_of(self, key: int) -> object:
        """The fast lane that serves the request of a key; `None` for what is not in the queue."""
        entry = self.queue.get(key)
        return None if entry is None else entry[3]

    def when(self, key: "Deadline | int") -> float | None:
        """When the time will be up, by the loop's clock; `None` for what is not in the queue."""
        entry = self.queue.get(key)
        return None if entry is None else entry[0]

    def discard(self, key: "Deadline | int") -> None:
        """Removes an entry, if there is one; an empty queue has no timer."""
        self.queue.pop(key, None)
        if not self.queue:
            self.disarm()

    def _ring(self) -> None:
        now = self.now()
        due = []
        self.timer = None
        for key, (when, *_) in self.queue.items():
            if when > now:
                self.timer = self.loop.call_at(when, self._ring)
                break
            due.append(key)
        passed = [key if isinstance(key, Deadline) else self.deadline_of(key) for key in due]
        for key in due:
            del self.queue[key]
        for deadline in passed:
            if deadline is not None:
                deadline.expire(self)


class Bounds:
    """The clocks under which one handler runs."""

    __slots__ = ("idle", "running", "start", "total")

    def __init__(
        self, *, start: Clock | None = None, total: Clock | None = None, idle: Clock | None = None
    ) -> None:
        self.start: Clock | None = start
        self.total: Clock | None = total
        self.idle: Clock | None = idle
        self.running: tuple[Clock, ...] = tuple(one for one in (start, total) if one is not None)


NO_BOUNDS: Bounds = Bounds()


class Deadline:
    """The bounds of one task's work, with the cancellation semantics of `asyncio.timeout`.

    Passing a bound cancels the task. Whoever runs the work adds the deadline to the clocks of
    `bounds.running`, takes it out again, and calls `undo`.
    """

    # Defaults stand in the class: few of these are ever changed.
    response: web.StreamResponse | None = None
    """The response that has been begun, if one has."""
    timed_out: bool = False
    """Whether a `CancelledError` that ended the work is ours to turn into a timeout."""
    _passed: Clock | None = None
    _in_body: bool = False
    """Whether somebody waited for more of the request's body when the bound was passed."""
    _moved: dict[Clock, tuple[float, asyncio.Handle]] | None = None
    """The bounds that were extended: each has left its queue for a timer of its own.

    The time stands beside the timer: uvloop returns a plain handle, which knows none, where the
    delay rounds to nothing.
    """
    _watches: bool = False
    """Whether it has put itself in the place of the response's own methods of writing."""
    _writing: int = 0

    def __init__(
        self,
        bounds: Bounds,
        task: "asyncio.Task[object] | None",
        key: int | None = None,
        request: web.Request | None = None,
    ) -> None:
        self.bounds: Bounds = bounds
        self.task: asyncio.Task[object] | None = task
        """The task whose work is bounded, as long as it is."""
        self.request: web.Request | None = request
        """The request that the work is for."""
        self._key: int | None = key
        """The key whose entry stands for this deadline; `None`: its own entry does."""
        self._cancelling: int = 0 if task is None or key is not None else task.cancelling()
        """The task's count of cancellations at entry.

        What a key stands for runs outermost in a task that aiohttp has made for the request: at
        its entry the count is 0. By the time that its deadline is made it may be more.
        """

    def expire(self, clock: Clock) -> None:
        """A bound has been passed: the task is cancelled, once."""
        if self._passed is None and self.task is not None:
            self._passed = clock
            # Afterwards nobody waits any more.
            self._in_body = self.request is not None and is_waiting_for_body(self.request)
            self.task.cancel()
            if self.request is not None:
                forget_cancelled_drain(self.request)

    @property
    def passed(self) -> Clock | None:
        """The bound that was passed, also where `timed_out` says that the end was not ours.

        That is so where another cancellation came along with ours: there is nobody to answer.
        """
        return self._passed

    @property
    def remaining(self) -> float | None:
        """Seconds until the nearest of the start and total bounds; `None` where none runs."""
        if self._passed is not None:
            return 0.0
        if not (running := self._running()):
            return None
        clock, when = min(running, key=lambda one: one[1])
        return max(0.0, when - clock.loop.time())

    def extend(self, seconds: float) -> None:
        """Makes the nearest bound end that many seconds from now, and none before it."""
        running = self._running()
        if self._passed is not None or not running:
            return
        nearest = min(running, key=lambda one: one[1])[0]
        until = nearest.loop.time() + seconds
        if self._moved is None:
            self._moved = {}
        for clock, when in running:
            if clock is nearest or when < until:
                self._disarm(clock)
                self._moved[clock] = until, clock.loop.call_at(until, self.expire, clock)

    def lift(self) -> None:
        """Takes the start and total bounds away."""
        if self._passed is None:
            for clock in self.bounds.running:
                self._disarm(clock)

    def response_started(self, response: web.StreamResponse) -> None:
        """The bound on the start has been kept; from here on the stream must not fall silent."""
        bounds = self.bounds
        if bounds is NO_BOUNDS:
            return  # it has ended, or has nothing to bound
        self.response = response
        if bounds.start is not None:
            self._disarm(bounds.start)
        if bounds.idle is not None and self._passed is None and watched(response):
            bounds.idle.discard(self)  # its place in the queue is that of the time it is added
            bounds.idle.add(self)
            self._watch(response, bounds.idle)

    def undo(self) -> None:
        """Ends the deadline: its own timers, its watch on the response, and its cancellation.

        A `CancelledError` that ended the work is ours if the task's count of cancellations comes
        back to what it was at entry. Where another was asked for, it does not.
        """
        task, self.task = self.task, None
        # The request and the response refer to this deadline: all three would be a cycle.
        self.request = None
        response, self.response = self.response, None
        if response is not None and self._watches:
            del response.write, response.write_eof
        if self.bounds.idle is not None:
            self.bounds.idle.discard(self)
        if self._moved is not None:
            for _, timer in self._moved.values():
                timer.cancel()
            self._moved = None
        self.timed_out = (
            self._passed is not None and task is not None and task.uncancel() <= self._cancelling
        )
        # Handlers may keep what `deadline(request)` gave them, and the key may be reused.
        self.bounds = NO_BOUNDS

    def timeout(
        self,
        request: web.Request,
        cancellation: asyncio.CancelledError | None,
        *,
        answerable: bool,
    ) -> HandlerTimeout | BodyTimeout:
        """The exception for the bound that was passed.

        Where it was the client that was late with the body, and can be told, a 408 tells it.

        Args:
            request: the request.
            cancellation: what ended the work, and is the exception's cause.
            answerable: whether it can be answered still.
        """
        passed = self._passed
        assert passed is not None
        timeout: HandlerTimeout | BodyTimeout
        if self._in_body and answerable:
            close_after_answer(request)
            timeout = BodyTimeout(passed.seconds, passed.bound)
        else:
            timeout = HandlerTimeout(passed.seconds, passed.bound)
            timeout.in_body = self._in_body
        timeout.__cause__ = cancellation
        return timeout

    def _running(self) -> list[tuple[Clock, float]]:
        moved = self._moved or {}
        key = self if self._key is None else self._key
        whens = [
            (clock, moved[clock][0] if clock in moved else clock.when(key))
            for clock in self.bounds.running
        ]
        return [(clock, when) for clock, when in whens if when is not None]

    def _disarm(self, clock: Clock) -> None:
        if self._moved is not None and (moved := self._moved.pop(clock, None)) is not None:
            moved[1].cancel()
        clock.discard(self if self._key is None else self._key)

    def _watch(self, response: web.StreamResponse, idle: Clock) -> None:
        write, write_eof = response.write, response.write_eof

        async def watched_write(data: bytes | bytearray | memoryview) -> None:
            # While a slow client holds the write up, it is not the handler that is silent.
            idle.discard(self)
            self._writing += 1
            try:
                await write(data)
            finally:
                self._writing -= 1
                if self.task is not None and not self._writing and self._passed is None:
                    idle.add(self)

        async def watched_eof(data: bytes = b"") -> None:
            self._writing += 1  # never taken back: nothing follows the end of the body
            idle.discard(self)
            await write_eof(data)

        self._watches = True
        response.write = watched_write  # type: ignore[method-assign]
        response.write_eof = watched_eof  # type: ignore[method-assign]


def watched(response: web.StreamResponse) -> bool:
    """Whether a handler hands this response over chunk by chunk, so that silence can be seen."""
    return not isinstance(response, web.FileResponse | web.WebSocketResponse)
