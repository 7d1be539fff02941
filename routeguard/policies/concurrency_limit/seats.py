"""Seats for a bounded number of requests, and a bounded queue before them.

A seat passes from who leaves to who has waited longest, without ever being free in between. So
whoever finds a free seat may take it: nobody is waiting.
"""

import asyncio
from collections import deque
from typing import Literal

from aiohttp import web

__all__ = ["Outcome", "Seats"]

LOOK_EVERY = 1.0
"""Seconds between two looks at whether those who wait are still there."""

Outcome = Literal["seat", "left", "closed", "full"]
"""How waiting ended; only `"seat"` must be given back."""


class _Waiting:
    __slots__ = ("future", "request")

    def __init__(self, future: "asyncio.Future[Outcome]", request: web.Request) -> None:
        self.future = future
        self.request = request


class Seats:
    """The seats of one limit, or of one key of it."""

    __slots__ = ("_closed", "_look", "_places", "_queue", "_seats", "free")

    def __init__(self, seats: int, places: int) -> None:
        """All seats are free.

        Args:
            seats: how many requests run at a time.
            places: how many wait.
        """
        self.free: int = seats
        """Whoever finds one free takes it by counting it down, before anything is awaited."""
        self._seats = seats
        self._places = places
        self._closed = False
        self._queue: deque[_Waiting] = deque()
        self._look: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody has a seat, or waits for one."""
        return self.free == self._seats and not self._queue

    @property
    def running(self) -> int:
        """How many seats are taken."""
        return self._seats - self.free

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    async def wait(self, request: web.Request, loop: asyncio.AbstractEventLoop) -> Outcome:
        """Waits for a seat, which is then taken, as long as there is a place in the queue.

        Args:
            request: the request; once its client has hung up, it waits no longer.
            loop: the event loop.
        """
        if self._closed:
            return "closed"
        if len(self._queue) >= self._places and not self._dismiss_gone():
            return "full"
        waiting = _Waiting(loop.create_future(), request)
        self._queue.append(waiting)
        if self._look is None:
            self._look = loop.call_later(LOOK_EVERY, self._look_again, loop)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            if waiting.future.cancelled():
                if waiting in self._queue:
                    self._queue.remove(waiting)
            elif waiting.future.result() == "seat":
                self.leave()  # the seat came in the moment in which the request was cancelled
            raise
        finally:
            if not self._queue:
                self._look_no_more()

    def leave(self) -> None:
        """Gives a seat back: to who has waited longest and is still there."""
        while self._queue:
            first = self._queue.popleft()
            if first.future.done():
                continue  # cancelled a moment ago
            if is_gone(first.request):
                first.future.set_result("left")
                continue
            first.future.set_result("seat")
            return
        self.free += 1

    def close(self) -> None:
        """Sends away all who wait, and whoever would have to."""
        self._closed = True
        self._look_no_more()
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.future.done():
                waiting.future.set_result("closed")

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look = None
        self._dismiss_gone()
        if self._queue:
            self._look = loop.call_later(LOOK_EVERY, self._look_again, loop)

    def _look_no_more(self) -> None:
        """Leaves no timer behind where nobody waits."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _dismiss_gone(self) -> bool:
        """Takes out those whose clients have hung up; whether that has made room.

        aiohttp tells a handler of it only where `handler_cancellation` is on.
        """
        queue = self._queue
        for waiting in [one for one in queue if is_gone(one.request)]:
            queue.remove(waiting)
            if not waiting.future.done():
                waiting.future.set_result("left")
        return len(queue) < self._places


def is_gone(request: web.Request) -> bool:
    """Whether the client has closed the connection."""
    transport = request.transport
    return transport is None or transport.is_closing()
