"""Responses that are open, and how each of them ends at shutdown."""

import asyncio
import logging
from typing import TypeAlias

from aiohttp import web

from routeguard.internals.connection import (
    forget_cancelled_drain,
    is_waiting_for_message,
    reset,
)
from routeguard.quoting import quoted
from routeguard.running.application import Running, Service
from routeguard.running.started import GOING_AWAY, cut_off
from routeguard.running.state import State
from routeguard.running.unfinished import unfinished

__all__ = ["Endings", "Group", "OpenResponse"]

ENDING_GRACE = 1.0
"""Seconds for the `finally` blocks of a handler that was cancelled, and for its last chunk."""

EVENT_STREAM = "text/event-stream"

logger: logging.Logger = logging.getLogger("routeguard.until_shutdown")

Task: TypeAlias = "asyncio.Task[object]"


class OpenResponse:
    """One request under `until_shutdown`, from when its handler begins until it has ended."""

    __slots__ = (
        "_cancelled",
        "_cancelling",
        "_group",
        "_is_told",
        "_request",
        "_state",
        "ends_by",
        "response",
        "task",
    )

    def __init__(self, group: "Group", request: web.Request, state: State, task: Task) -> None:
        self._group = group
        self._request = request
        self._state = state
        self.task: Task = task
        self._cancelling = task.cancelling()
        self._cancelled = False
        self.ends_by: float | None = None
        """When its handler must have ended, by the loop's clock; `None` before the shutdown."""
        self._is_told = False
        self.response: web.StreamResponse | None = None
        """The stream or WebSocket that has started, if one has."""

    def __str__(self) -> str:
        return f"{self._request.method} {quoted(self._request.path)}"

    # --- what the request does

    def response_started(self, response: web.StreamResponse) -> None:
        """Notes a response that may have no end; others end by themselves."""
        if self._state.shielded or isinstance(response, web.Response | web.FileResponse):
            return
        self.response = response
        if self._group.ended:
            # Not at once: only a task that waits is cancelled where it waits.
            self._group.loop.call_soon(self.begin_ending)

    def take_back(self) -> bool:
        """Whether the handler was cancelled here and by nobody else; the count is taken back."""
        return self._cancelled and self.task.uncancel() <= self._cancelling

    async def end(self, response: web.StreamResponse) -> web.StreamResponse:
        """Ends a response whose handler has ended: in good order, or so that its client can tell.

        Args:
            response: what the handler returned, or the response that was begun.

        Returns:
            What to return to aiohttp.
        """
        begun = self.response
        if begun is None or isinstance(begun, web.WebSocketResponse):
            return response
        request = self._request
        headers_sent = request.writer.output_size > 0
        if headers_sent and self._is_whole(begun):
            try:
                async with asyncio.timeout_at(self.ends_by):
                    await begun.write_eof()
            except TimeoutError:
                forget_cancelled_drain(request)
                reset(request.transport)
            except ConnectionError:
                pass  # the client has left
            return begun
        await cut_off(request, begun, GOING_AWAY)
        return unfinished(begun)

    def _is_whole(self, begun: web.StreamResponse) -> bool:
        clean = self._group.clean
        return begun.content_type == EVENT_STREAM if clean is None else clean

    # --- what the shutdown does

    @property
    def is_ending(self) -> bool:
        """Whether the shutdown has begun to end the response."""
        return self.ends_by is not None

    def begin_ending(self) -> None:
        """Ends a response that has started; nothing for one that has not, or has ended."""
        response = self.response
        if response is None or self.is_ending or self not in self._group.open:
            return
        if response.body_length > 0:
            return  # it has ended by itself, and its handler does something else
        loop = self._group.loop
        self._must_end_soon()
        if isinstance(response, web.WebSocketResponse) and response.prepared:
            # A handler that waits for a message is told by it; for anything else it is cancelled.
            self._is_told = is_waiting_for_message(response)
            self._group.keep(loop.create_task(self._close(response)))
            if not self._is_told:
                self._cancel()
        else:
            if not self._is_whole(response):
                _never_whole(response)
            self._cancel()

    def _cancel(self) -> None:
        """Cancels the handler, unless somebody has: its `finally` blocks may be running."""
        if self in self._group.open and not self._is_cancelled:
            self._cancelled = True
            self.task.cancel()
            # For what the handler writes in its finally blocks.
            forget_cancelled_drain(self._request)

    @property
    def _is_cancelled(self) -> bool:
        return self.task.cancelling() > self._cancelling

    async def _close(self, socket: web.WebSocketResponse) -> None:
        """Closes a WebSocket, without waiting for the client's close frame.

        aiohttp throws all input away by now, and would wait in vain.
        """
        try:
            async with asyncio.timeout(ENDING_GRACE if self._is_told else 0):
                await socket.close(code=GOING_AWAY)
        except TimeoutError:
            forget_cancelled_drain(self._request)
        except (ConnectionError, RuntimeError):
            pass  # the client has left

    def _must_end_soon(self) -> None:
        loop = self._group.loop
        self.ends_by = loop.time() + ENDING_GRACE
        loop.call_at(self.ends_by, self._insist)

    def _insist(self) -> None:
        """Has waited long enough for the handler: it must end now."""
        if self not in self._group.open:
            return
        if self._is_cancelled:
            logger.error("%s ignored its cancellation at shutdown", self)
            reset(self._request.transport)
        else:  # a WebSocket's handler that was told by its last message
            self._must_end_soon()
            self._cancel()


class Group:
    """The open responses of one statement of `until_shutdown`."""

    def __init__(self, running: Running, grace: float, clean: bool | None) -> None:
        self.loop: asyncio.AbstractEventLoop = running.loop or asyncio.get_running_loop()
        self.grace: float = grace
        self.clean: bool | None = clean
        self.open: set[OpenResponse] = set()
        self.ended: bool = False
        """Whether the grace has passed."""
        self._timer: asyncio.Handle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Refers to a task as long as it runs."""
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def begin_shutdown(self) -> None:
        """Starts the grace."""
        if self.grace:
            self._timer = self.loop.call_later(self.grace, self.end)
        else:
            self._timer = self.loop.call_soon(self.end)

    def end(self) -> None:
        """The grace has passed: what has started ends now, what starts later ends at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.ended:
            return
        self.ended = True
        for one in list(self.open):
            one.begin_ending()
        ending = sum(one.is_ending for one in self.open)
        if ending:
            logger.info("open responses that end at shutdown: %d", ending)


class Endings(Service):
    """What is open in one run of an application under any `until_shutdown`."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self._groups: list[Group] = []

    def group(self, grace: float, clean: bool | None) -> Group:
        """A new group of open responses, for one statement."""
        group = Group(self.running, grace, clean)
        self._groups.append(group)
        return group

    def begin_shutdown(self) -> None:
        for group in self._groups:
            group.begin_shutdown()

    async def stop(self) -> None:
        for group in self._groups:
            group.end()

    async def drain(self, until: float) -> None:
        """Ends what is open now that aiohttp waits no longer, and waits for its `finally`."""
        for group in self._groups:
            group.end()
        loop = asyncio.get_running_loop()
        while True:
            ending = [one for group in self._groups for one in group.open if one.is_ending]
            left = max((one.ends_by or 0.0 for one in ending), default=0.0) - loop.time()
            if left <= 0:
                return
            await asyncio.wait([one.task for one in ending], timeout=left)


def _never_whole(response: web.StreamResponse) -> None:
    """Whatever the handler goes on to do, the response does not end as if it were whole."""

    async def write_eof(data: bytes = b"") -> None:
        if data:
            await response.write(data)

    response.write_eof = write_eof  # type: ignore[method-assign]
