"""The exchanged classes of a body's reader: what `shield` and `body` ask of it.

Under `shield`, what has arrived in full stays readable whatever becomes of the connection; what
has not arrived by then fails. When a connection is lost, and after every answer, aiohttp sets an
exception on the reader. What tells a whole body from a truncated one is whether the reader had
reached its end.

Under `body`, the reader counts what arrives and how long anybody waits for it. A body that has
failed is never seen to end: each way of reading comes to `_wait` or `_read_nowait_chunk`, and both
ask the state, which raises.

Most bodies have arrived in full before their handler runs. Under `shield` alone, nothing can go
wrong with such a body any more but what aiohttp does to it itself.
"""

import asyncio
import math
import weakref

import aiohttp.http_exceptions
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from routeguard.internals.body_state import (
    ANSWERED,
    SHUTTING_DOWN,
    BodyFailure,
    BodyState,
    late_for_answer,
    lost,
    malformed,
    too_large,
)
from routeguard.internals.tap import ParserTap

__all__ = ["READ_AT_ONCE", "GuardedReader", "WholeReader", "is_awaited"]

READ_AT_ONCE = 2**20
"""Bytes: the most that is unpacked at one go, and half of what is read ahead of the handler."""

TOO_MUCH_AT_ONCE: type[Exception] | tuple[()] = getattr(
    aiohttp.http_exceptions, "DecompressSizeError", ()
)
"""What some versions of aiohttp raise where a few bytes unpack to very many."""

LOOKS_EVERY = 1.0
"""Seconds between looks whether a client is there still, of a connection that lingers."""

_NOT_GIVEN = BaseException("no cause given")


class WholeReader(StreamReader):
    """A body that has arrived in full, and stays readable whatever becomes of its connection."""

    __slots__ = ()

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _NOT_GIVEN) -> None:
        """Does nothing: aiohttp calls it when the connection is lost, and after each answer."""


class GuardedReader(StreamReader):
    """The body of a request that is shielded, limited, or both."""

    __slots__ = ()

    _timer: BodyState
    _protocol: web.RequestHandler

    @property
    def state(self) -> BodyState:
        """What is known of this body."""
        return self._timer

    def guard(self) -> None:
        """Begins: aiohttp has made this reader, and may have fed it already."""
        self._timer = BodyState()

    def limit(
        self,
        max_size: int | None,
        idle: float | None,
        total: float | None,
        *,
        is_compressed: bool,
        connection: "asyncio.Task[None]",
    ) -> None:
        """Bounds size and time, from here on.

        Args:
            max_size: bytes, unpacked.
            idle: seconds that one wait for more may last.
            total: seconds that all waits may last together.
            is_compressed: whether aiohttp unpacks the body.
            connection: the connection's own task.
        """
        state = self._timer
        state.max_size, state.idle, state.total = max_size, idle, total
        state.is_limited = True
        state.is_compressed = is_compressed
        state.connection = weakref.ref(connection)
        if self._exception is not None:
            failed, self._exception = self._exception, None
            self.set_exception(failed, failed.__cause__ or _NOT_GIVEN)
        elif not self._eof and state.tap is None:
            state.tap = ParserTap(
                self._protocol,
                hear=self._hear,
                tell=self._tell,
                is_over=self._is_over,
                is_compressed=is_compressed,
            )

    def check_size(self, length: int | None) -> None:
        """Raises where too much has arrived already, or will by the body's own account.

        Args:
            length: how much will arrive, where that is known.
        """
        state = self._timer
        size = max(self.total_bytes, length or 0)
        if state.max_size is not None and size > state.max_size:
            self.fail(too_large(state.max_size, size))
            state.assert_timeout()

    def fail(self, failure: BodyFailure) -> None:
        """From here on, whoever reads fails, and what arrives is thrown away."""
        state = self._timer
        if state.failure is not None:
            return
        state.failure = failure
        state.ended = self._eof
        self._eof = False
        if state.closes and state.is_compressed and not state.ended:
            self._protocol.close()  # nothing more is unpacked
        waiters, self._waiter = (self._waiter, self._eof_waiter), None
        for waiter in waiters:
            if waiter is not None and not waiter.done():
                waiter.set_result(None)  # the one who waits finds out what has happened

    def _let_flow(self) -> None:
        """Throws away what has arrived; a full buffer would hold the connection up.

        Not to be called where somebody reads: reading has more arrive, and so can make it fail.
        """
        self._buffer.clear()
        self._buffer_offset = 0
        self._size = 0
        if self._http_chunk_splits is not None:
            self._http_chunk_splits.clear()
        self._protocol.resume_reading()

    def keep(self, connection: "asyncio.Task[None]") -> None:
        """Has a whole body stay readable after its connection has gone.

        Args:
            connection: the connection's own task.
        """
        state = self._timer
        state.keeps = True
        state.connection = weakref.ref(connection)

    def abandon(self) -> None:
        """Fails what has not arrived, and lets the connection go on to the next request."""
        if not self._eof:
            self.fail(late_for_answer() if is_awaited(self) else ANSWERED)
            self._let_flow()

    def lose(self) -> None:
        """Fails what has not arrived: aiohttp throws all further input away."""
        if not self._eof:
            self.fail(SHUTTING_DOWN)
            self._timer.ended = True

    # What the parser calls.

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        state = self._timer
        if state.max_size is not None and self.total_bytes + len(data) > state.max_size:
            self.fail(too_large(state.max_size, self.total_bytes + len(data)))
            if state.is_compressed and not state.ended:
                self._stop_unpacking()
            return False
        if state.failure is not None:
            self.total_bytes += len(data)
            return False
        return super().feed_data(data, size)

    def _stop_unpacking(self) -> None:
        """Has the connection throw away what else arrives, instead of unpacking all of it.

        The end of the body will not be seen, so the connection can serve no other request.
        """
        protocol = self._protocol
        self._timer.is_stopped = True
        protocol.close()
        protocol.pause_reading()  # which ends the parser's loop over what it holds
        self._loop.call_soon(protocol.resume_reading)

    def feed_eof(self) -> None:
        super().feed_eof()
        self._remove_tap()
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
        if state.is_limited:
            if isinstance(exc, web.RequestPayloadError | HttpProcessingError):
                self.fail(self._undecodable(exc, exc_cause))
                return
            if isinstance(exc, OSError):
                self.fail(lost(exc))
                return
        if exc_cause is _NOT_GIVEN:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)

    def _undecodable(self, *errors: BaseException) -> BodyFailure:
        max_size = self._timer.max_size
        if max_size is not None and any(isinstance(one, TOO_MUCH_AT_ONCE) for one in errors):
            return too_large(max_size, max(self.total_bytes, max_size))
        return malformed(errors[0])

    # What the tap calls.

    def _hear(self) -> None:
        state = self._timer
        if state.timer is not None:
            state.heard = self._loop.time()

    def _is_over(self) -> bool:
        return self._timer.is_stopped or self._timer.closes

    def _tell(self, error: Exception) -> None:
        if not self._eof:
            self.fail(malformed(error))

    def _remove_tap(self) -> None:
        state = self._timer
        if state.tap is not None:
            state.tap.remove()
            state.tap = None

    # What the connection calls.

    def is_eof(self) -> bool:
        return self._eof or self._timer.ended

    async def readany(self) -> bytes:
        state = self._timer
        if state.is_connections_turn():
            await self._throw_away()
            return b""
        return await super().readany()

    async def _throw_away(self) -> None:
        """Waits for the end of the body, for the connection, which has answered and lingers."""
        state = self._timer
        self.fail(ANSWERED)
        if not self._protocol.connected:
            state.ended = True
        if not state.ended:
            self._let_flow()
        if state.ended:
            return
        patience = None if state.failure is None else state.failure.patience
        until = math.inf if patience is None else self._loop.time() + patience
        state.timer = self._loop.call_later(LOOKS_EVERY, self._look, until)
        try:
            await super()._wait("readany")
        finally:
            state.timer.cancel()
            state.timer = None

    def _look(self, until: float) -> None:
        """Gives a body up whose client has gone, or was waited for long enough.

        Nobody tells a connection that lingers that it was lost.
        """
        state = self._timer
        if self._protocol.connected and self._loop.time() < until:
            state.timer = self._loop.call_later(LOOKS_EVERY, self._look, until)
            return
        state.ended = True
        self._protocol.close()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What readers call.

    def set_read_chunk_size(self, n: int) -> None:
        """aiohttp 3.14 unpacks as much at one go as somebody wants to read at once."""
        super().set_read_chunk_size(min(n, READ_AT_ONCE))

    async def wait_eof(self) -> None:
        self._timer.assert_timeout()
        self._start_waiting()
        try:
            await super().wait_eof()
        finally:
            self._stop_waiting()
        self._timer.assert_timeout()

    async def _wait(self, func_name: str) -> None:
        self._timer.assert_timeout()
        self._start_waiting()
        try:
            await super()._wait(func_name)
        finally:
            self._stop_waiting()

    def _read_nowait_chunk(self, n: int) -> bytes:
        self._timer.assert_timeout()
        return super()._read_nowait_chunk(n)

    def _start_waiting(self) -> None:
        state = self._timer
        state.began = state.heard = self._loop.time()
        if (due := state.due()) < math.inf:
            state.timer = self._loop.call_at(due, self._ring)

    def _stop_waiting(self) -> None:
        state = self._timer
        if state.timer is not None:
            state.timer.cancel()
            state.timer = None
            state.waited += self._loop.time() - state.began

    def _ring(self) -> None:
        state = self._timer
        now = self._loop.time()
        if self._protocol._reading_paused:
            # It is not the client that lets somebody wait for the end, but a full buffer.
            state.began = state.heard = now
        if (due := state.due()) > now:
            state.timer = self._loop.call_at(due, self._ring)
        elif is_awaited(self):
            self.fail(state.passed(now))


def is_awaited(body: StreamReader) -> bool:
    """Whether somebody waits for more of a body right now, guarded or not."""
    waiters = (getattr(body, "_waiter", None), getattr(body, "_eof_waiter", None))
    return any(waiter is not None and not waiter.done() for waiter in waiters)
