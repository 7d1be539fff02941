"""The exchanged class of a body's reader: what `shield` and `body` ask of it.

Under `shield`, what has arrived in full stays readable whatever becomes of the connection; what
has not arrived by then fails. When a connection is lost, and after every answer, aiohttp sets an
exception on the reader. What tells a whole body from a truncated one is whether the reader had
reached its end.

Under `body`, the reader counts what arrives and how long anybody waits for it. A body that fails
is never seen to end: each way of reading comes to `_wait` or `_read_nowait`, and both raise.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import StreamReader, web
from aiohttp.helpers import TimerNoop

from routeguard.body_timeout import BodyTimeout
from routeguard.internals.request import (
    UnguardedError,
    close_files,
    guard_request,
    hold_files,
    is_served,
)
from routeguard.internals.writer import check_writer

__all__ = [
    "READ_AT_ONCE",
    "GuardedReader",
    "abandon_body",
    "close_files",
    "guard_body",
    "is_waiting_for_body",
    "keep_body",
    "limit_body",
]

READ_AT_ONCE = 2**20
"""Bytes: the most that is unpacked at one go, and half of what is read ahead of the handler."""

_NOT_GIVEN = BaseException("no cause given")


class BodyState(TimerNoop):
    """What is known of one body; it stands where aiohttp's client, not its server, has a timer.

    The reader has no other place for it: its class has slots, and an exchanged class can add none.
    """

    __slots__ = (
        "connection",
        "ended",
        "failure",
        "heard",
        "idle",
        "keeps",
        "max_size",
        "timer",
        "told",
        "total",
        "waited",
    )

    def __init__(self) -> None:
        self.keeps: bool = False
        """Whether a whole body stays readable after its connection has gone."""
        self.max_size: int | None = None
        self.idle: float | None = None
        self.total: float | None = None
        self.waited: float = 0.0
        """Seconds that were spent in waits that are over."""
        self.heard: float = 0.0
        """When the client was heard of last, by the loop's clock."""
        self.timer: asyncio.TimerHandle | None = None
        self.connection: asyncio.Task[None] | None = None
        """The connection's own task, which reads what is left once the request is answered."""
        self.failure: Callable[[], Exception] | None = None
        """Makes the exception for whoever reads a body that has failed: a new one each time, as
        one that is kept and raised holds the request in a cycle."""
        self.told: bool = False
        """Whether somebody who read has been told of the failure."""
        self.ended: bool = False
        """Whether the end of a body that has failed has arrived, or nobody waits for it."""

    def assert_timeout(self) -> None:
        """Raises where the body has failed; aiohttp's reader asks before it hands out data."""
        if self.failure is not None:
            self.told = True
            raise self.failure()

    def due(self, began: float) -> float:
        """When a wait that began then has lasted too long, by the loop's clock."""
        return min(
            began + self.total - self.waited if self.total is not None else float("inf"),
            self.heard + self.idle if self.idle is not None else float("inf"),
        )


class GuardedReader(StreamReader):
    """The body of a request that is shielded, limited, or both."""

    __slots__ = ()

    _timer: BodyState

    @property
    def state(self) -> BodyState:
        """What is known of this body."""
        return self._timer

    def guard(self) -> None:
        """Begins: aiohttp has made this reader, and may have fed it already."""
        self._timer = BodyState()

    def fail(self, failure: Callable[[], Exception]) -> None:
        """From here on, whoever reads fails, and what arrives is thrown away.

        Args:
            failure: makes the exception for the one who reads.
        """
        state = self._timer
        if state.failure is not None:
            return
        state.failure = failure
        state.ended = self._eof
        self._eof = False
        self._buffer.clear()
        self._buffer_offset = 0
        self._size = 0
        if self._http_chunk_splits is not None:
            self._http_chunk_splits.clear()
        for waiter in (self._waiter, self._eof_waiter):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)  # the one who waits finds out what has happened

    def limit(
        self,
        max_size: int | None,
        idle: float | None,
        total: float | None,
        connection: "asyncio.Task[None]",
    ) -> None:
        """Bounds size and time; fails at once where the size has been passed already."""
        state = self._timer
        state.max_size, state.idle, state.total = max_size, idle, total
        state.connection = connection
        if max_size is not None and self.total_bytes > max_size:
            self.fail(partial(_too_large, max_size, self.total_bytes))

    def abandon(self) -> None:
        """Fails what has not arrived, and lets the connection go on to the next request.

        It calls itself ended, so that the connection neither waits for the rest nor reads it in
        competition with the work that still holds this reader. The parser finds the next request
        behind the rest.
        """
        if self._eof:
            return
        self.fail(_abandoned)
        self._timer.ended = True
        self._protocol.resume_reading()  # a full buffer would have held the connection up

    def is_awaited(self) -> bool:
        """Whether somebody waits for more right now."""
        return any(
            waiter is not None and not waiter.done() for waiter in (self._waiter, self._eof_waiter)
        )

    # What the parser calls.

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        state = self._timer
        if state.failure is not None:
            return False
        if state.idle is not None:
            state.heard = self._loop.time()
        if state.max_size is not None and self.total_bytes + len(data) > state.max_size:
            self.fail(partial(_too_large, state.max_size, self.total_bytes + len(data)))
            return False
        return super().feed_data(data, size)

    def feed_eof(self) -> None:
        super().feed_eof()
        if self._timer.failure is not None:
            self._eof = False
            self._timer.ended = True

    def begin_http_chunk_receiving(self) -> None:
        if self._timer.failure is None:
            super().begin_http_chunk_receiving()

    def end_http_chunk_receiving(self) -> None:
        if self._timer.failure is None:
            super().end_http_chunk_receiving()

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _NOT_GIVEN) -> None:
        state = self._timer
        if state.failure is not None or (state.keeps and self._eof):
            return
        if exc_cause is _NOT_GIVEN:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)

    # What the connection calls.

    def is_eof(self) -> bool:
        return self._eof or self._timer.ended

    async def readany(self) -> bytes:
        state = self._timer
        if state.failure is not None and asyncio.current_task() is state.connection:
            await self._throw_away()
            return b""
        return await super().readany()

    async def _throw_away(self) -> None:
        """Waits for the end of a body that has failed, for the connection, which lingers."""
        if not self._protocol.connected:
            self._timer.ended = True
            return
        self._protocol.resume_reading()
        if not self._timer.ended:
            await super()._wait("readany")

    # What readers call.

    def set_read_chunk_size(self, n: int) -> None:
        """aiohttp 3.14 unpacks as much at one go as somebody wants to read at once."""
        super().set_read_chunk_size(min(n, READ_AT_ONCE))

    async def wait_eof(self) -> None:
        self._timer.assert_timeout()
        began = self._start_waiting()
        try:
            await super().wait_eof()
        finally:
            self._stop_waiting(began)
        self._timer.assert_timeout()

    async def _wait(self, func_name: str) -> None:
        self._timer.assert_timeout()
        began = self._start_waiting()
        try:
            await super()._wait(func_name)
        finally:
            self._stop_waiting(began)
        self._timer.assert_timeout()

    def _start_waiting(self) -> float:
        state = self._timer
        if state.idle is None and state.total is None:
            return 0.0
        began = state.heard = self._loop.time()
        state.timer = self._loop.call_at(state.due(began), self._ring, began)
        return began

    def _stop_waiting(self, began: float) -> None:
        state = self._timer
        if state.timer is not None:
            state.timer.cancel()
            state.timer = None
            state.waited += self._loop.time() - began

    def _ring(self, began: float) -> None:
        state = self._timer
        now = self._loop.time()
        due = state.due(began)
        if due > now:
            state.timer = self._loop.call_at(due, self._ring, began)
        elif self.is_awaited():
            total = state.total
            if total is not None and state.waited + now - began >= total:
                self.fail(partial(BodyTimeout, total, "total"))
            elif state.idle is not None:
                self.fail(partial(BodyTimeout, state.idle, "idle"))


def guard_body(request: web.BaseRequest) -> GuardedReader | None:
    """Exchanges the class of the reader that aiohttp made for the body of a request.

    Args:
        request: the request.

    Returns:
        The reader; `None` for a request without a body, or one that a test has mocked.

    Raises:
        UnguardedError: the server made a reader of another class.
    """
    body = request.content
    if isinstance(body, GuardedReader):
        return body
    if type(body) is StreamReader:
        # The one way in: aiohttp made it, and its methods cannot be replaced.
        body.__class__ = GuardedReader
        assert isinstance(body, GuardedReader)
        body.guard()
        return body
    if request.body_exists and is_served(request):
        raise UnguardedError(body, "the body of a request is read by")
    return None


def keep_body(request: web.Request) -> None:
    """Makes the body of a request survive its connection, if it arrives in full.

    Raises:
        UnguardedError: the server made a reader or writer of another class.
    """
    check_writer(request)
    body = guard_body(request)
    if body is not None:
        body.state.keeps = True
        if request.content_type == "multipart/form-data":
            guard_request(request)


def abandon_body(request: web.Request) -> None:
    """Shielded work goes on alone: keeps what it has of the body, and fails the rest of it."""
    hold_files(request)
    body = request.content
    if isinstance(body, GuardedReader):
        body.abandon()


def limit_body(
    request: web.Request,
    *,
    max_size: int | None = None,
    idle: float | None = None,
    total: float | None = None,
) -> GuardedReader | None:
    """Bounds the body of a request.

    Args:
        request: the request.
        max_size: bytes, decoded; passed, whoever reads gets `HTTPRequestEntityTooLarge`.
        idle: seconds that one wait for more may last; passed, whoever reads gets `BodyTimeout`.
        total: seconds that all waits may last together; passed, the same.

    Returns:
        The reader; `None` for a request without a body.

    Raises:
        UnguardedError: the server made a reader of another class.
    """
    body = guard_body(request)
    if body is not None:
        body.limit(max_size, idle, total, request.task)
    return body


def is_waiting_for_body(request: web.BaseRequest) -> bool:
    """Whether somebody waits for more of the body right now.

    Args:
        request: the request, of which no policy need have guarded the body.
    """
    body = request.content
    if type(body) is StreamReader:
        return GuardedReader.is_awaited(body)  # type: ignore[arg-type]
    return isinstance(body, GuardedReader) and body.is_awaited()


def _too_large(max_size: int, size: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(max_size, size)


def _abandoned() -> ConnectionResetError:
    return ConnectionResetError("the request was answered before its body came")
