"""Deadlines: exact, and cheap, because one timer serves all that wait equally long.

Requests under the same duration expire in the order in which they came. So a queue in order of
arrival and one timer of the event loop for its oldest entry serve them all, exactly; entering is
a dictionary insert and leaving a pop. A deadline that is extended leaves the queue for a timer of
its own, and so delays nobody.

What a deadline does to the task is what `asyncio.timeout` of CPython does, to the letter.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

__all__ = ["Bound", "Bounds", "Clock", "Deadline", "HandlerTimeout"]

Bound = Literal["start", "idle", "total", "limit"]


class HandlerTimeout(TimeoutError):
    """A handler ran past one of its bounds and was cancelled.

    Attributes:
        seconds: the bound that was passed, in seconds.
        bound: which one: `"start"`, `"idle"`, `"total"` (of `timeout`) or `"limit"` (of
            `shield`).
        status: 504, the status of the answer.
    """

    status = 504

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


class Clock:
    """One duration: a queue in order of expiry, and the timer of its oldest entry."""

    __slots__ = ("_loop", "_queue", "_timer", "bound", "seconds")

    def __init__(self, bound: Bound, seconds: float) -> None:
        self.bound: Bound = bound
        self.seconds: float = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, entry: "Deadline", loop: asyncio.AbstractEventLoop) -> float:
        """Starts an entry's time.

        Returns:
            When it will be up, by the loop's clock.
        """
        if loop is not self._loop:
            # A queue belongs to one event loop; an application served again has another.
            self._loop, self._queue, self._timer = loop, {}, None
        when = self._queue[entry] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(when, self._ring, loop)
        return when

    def discard(self, entry: "Deadline") -> None:
        """Takes an entry out, if it is in; the last one out leaves no timer armed."""
        self._queue.pop(entry, None)
        if not self._queue and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        due = []
        self._timer = None
        for entry, when in self._queue.items():
            if when > now:
                self._timer = loop.call_at(when, self._ring, loop)
                break
            due.append(entry)
        for entry in due:
            del self._queue[entry]
        for entry in due:
            entry.expire(self)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The clocks under which one handler runs."""

    start: Clock | None = None
    total: Clock | None = None
    idle: Clock | None = None


class Deadline:
    """The bounds of one task's work, with the cancellation semantics of `asyncio.timeout`.

    Passing a bound cancels the task. On the way out `close` tells whether that cancellation, and
    no other, is what ended the work.
    """

    # Defaults stand in the class: one of these is made for every request under a timeout.
    _passed: Clock | None = None
    _timers: dict[Clock, asyncio.TimerHandle] | None = None
    _start: float | None = None
    _total: float | None = None
    _writing = 0
    _closed = False

    def __init__(
        self, bounds: Bounds, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[object]"
    ) -> None:
        self._bounds = bounds
        self._loop = loop
        self._task = task
        self._cancelling = task.cancelling()
        if bounds.start is not None:
            self._start = bounds.start.add(self, loop)
        if bounds.total is not None:
            self._total = bounds.total.add(self, loop)

    def expire(self, clock: Clock) -> None:
        """A bound has been passed: the task is cancelled, once."""
        if self._passed is None:
            self._passed = clock
            self._task.cancel()

    @property
    def remaining(self) -> float | None:
        """Seconds until the nearest of the start and total bounds; `None` where none runs."""
        if self._passed is not None:
            return 0.0
        running = [when for when in (self._start, self._total) if when is not None]
        return max(0.0, min(running) - self._loop.time()) if running else None

    def extend(self, seconds: float) -> None:
        """Makes the nearest bound end that many seconds from now, and none before it."""
        until = self._loop.time() + seconds
        start, total = self._start, self._total
        if self._passed is not None:
            return
        if start is not None and (total is None or start <= total or start < until):
            self._start = self._rearm(self._bounds.start, until)
        if total is not None and (start is None or total < start or total < until):
            self._total = self._rearm(self._bounds.total, until)

    def lift(self) -> None:
        """Takes the start and total bounds away."""
        if self._passed is None:
            self._disarm(self._bounds.start)
            self._disarm(self._bounds.total)
            self._start = self._total = None

    def response_started(self, response: web.StreamResponse) -> None:
        """The bound on the start has been kept; from here on the stream must not fall silent."""
        if self._closed:
            return
        if self._start is not None:
            self._disarm(self._bounds.start)
            self._start = None
        idle = self._bounds.idle
        if idle is not None and self._passed is None and watched(response):
            idle.add(self, self._loop)
            self._watch(response, idle)

    def close(self) -> bool:
        """The work has ended: disarms everything and takes back a cancellation of our own.

        Returns:
            Whether a `CancelledError` that ended the work is ours to turn into a timeout. The
            task's count of cancellations tells: where another was asked for, it is not.
        """
        self._closed = True
        bounds = self._bounds
        if self._start is not None and bounds.start is not None:
            bounds.start.discard(self)
            self._start = None
        if self._total is not None and bounds.total is not None:
            bounds.total.discard(self)
            self._total = None
        if bounds.idle is not None:
            bounds.idle.discard(self)
            self._writing = -1
        if self._timers is not None:
            for timer in self._timers.values():
                timer.cancel()
        return self._passed is not None and self._task.uncancel() <= self._cancelling

    def timeout(self) -> HandlerTimeout:
        """The exception for the bound that was passed."""
        passed = self._passed
        assert passed is not None
        return HandlerTimeout(passed.seconds, passed.bound)

    def _disarm(self, clock: Clock | None) -> None:
        if clock is None:
            return
        if self._timers is not None and (timer := self._timers.pop(clock, None)) is not None:
            timer.cancel()
        clock.discard(self)

    def _rearm(self, clock: Clock | None, when: float) -> float:
        assert clock is not None
        self._disarm(clock)
        if self._timers is None:
            self._timers = {}
        self._timers[clock] = self._loop.call_at(when, self.expire, clock)
        return when

    def _watch(self, response: web.StreamResponse, idle: Clock) -> None:
        write, write_eof = response.write, response.write_eof

        async def watched_write(data: bytes | bytearray | memoryview) -> None:
            # While a slow client holds the write up, it is not the handler that is silent.
            idle.discard(self)
            if self._writing >= 0:
                self._writing += 1
            try:
                await write(data)
            finally:
                if self._writing > 0:
                    self._writing -= 1
                    if self._writing == 0 and self._passed is None:
                        idle.add(self, self._loop)

        async def watched_eof(data: bytes = b"") -> None:
            self._writing = -1
            idle.discard(self)
            await write_eof(data)

        response.write = watched_write  # type: ignore[method-assign]
        response.write_eof = watched_eof  # type: ignore[method-assign]


def watched(response: web.StreamResponse) -> bool:
    """Whether a handler hands this response over chunk by chunk, so that silence can be seen."""
    return not isinstance(response, web.FileResponse | web.WebSocketResponse)
