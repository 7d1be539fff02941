"""What is known of the body of one request, and how bodies fail."""

import asyncio
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.helpers import TimerNoop

from routeguard.internals.tap import ParserTap
from routeguard.refusals import BodyTimeout

__all__ = [
    "ANSWERED",
    "SHUTTING_DOWN",
    "BodyFailure",
    "BodyState",
    "late",
    "late_for_answer",
    "lost",
    "malformed",
    "too_large",
]


PATIENCE = 2.0
"""Seconds: a client whose body has no end is waited for less long than aiohttp waits for others."""


@dataclass(frozen=True, slots=True)
class BodyFailure:
    """Why a body cannot be read.

    The exceptions are made anew each time: one that is kept, and raised, holds the request in a
    cycle with its traceback.

    Attributes:
        read: makes the exception for whoever reads.
        answer: makes the exception that answers the request; `None` where the failure is none of
            the client's doing.
        closes: whether the connection cannot be used again.
        patience: seconds for which the connection goes on to read after its answer, so that the
            client can read that; `None` for as long as aiohttp does.
    """

    read: Callable[[], Exception]
    answer: Callable[[], web.HTTPException] | None = None
    closes: bool = False
    patience: float | None = None


def too_large(max_size: int, size: int) -> BodyFailure:
    """More has come than may."""

    def refusal() -> web.HTTPRequestEntityTooLarge:
        return web.HTTPRequestEntityTooLarge(max_size, size)

    return BodyFailure(refusal, refusal)


def late(seconds: float, bound: str) -> BodyFailure:
    """The client has let the reader wait for too long."""

    def timeout() -> BodyTimeout:
        return BodyTimeout(seconds, bound)

    return BodyFailure(timeout, timeout, closes=True, patience=PATIENCE)


def malformed(why: BaseException) -> BodyFailure:
    """The body breaks the rules of its framing or encoding."""

    def refusal() -> web.HTTPBadRequest:
        error = web.HTTPBadRequest(text="the request body cannot be decoded")
        error.__cause__ = why
        return error

    return BodyFailure(refusal, refusal, closes=True, patience=PATIENCE)


def lost(why: BaseException) -> BodyFailure:
    """The client has gone."""

    def reset() -> ConnectionResetError:
        error = ConnectionResetError("the client left before its request was complete")
        error.__cause__ = why
        return error

    def refusal() -> web.HTTPBadRequest:
        # RFC 9112, section 8: an incomplete request.
        return web.HTTPBadRequest(text="the client left before its request was complete")

    return BodyFailure(reset, refusal, closes=True, patience=PATIENCE)


def _answered() -> ConnectionResetError:
    return ConnectionResetError("the request was answered before its body came")


def _shutting_down() -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(
        text="The server is shutting down, and reads no more of this request: send it again."
    )


SHUTTING_DOWN = BodyFailure(_shutting_down)
"""The server reads no more of what clients send."""

ANSWERED = BodyFailure(_answered)
"""What comes now is too late to be read, by nobody's fault."""


def late_for_answer() -> BodyFailure:
    """The request was answered while somebody waited for its body."""

    def timeout() -> web.HTTPRequestTimeout:
        return web.HTTPRequestTimeout(text="the request body did not arrive in time")

    return BodyFailure(_answered, timeout, closes=True, patience=PATIENCE)


class BodyState(TimerNoop):
    """What is known of one body; it stands where aiohttp's client, not its server, has a timer.

    The reader has no other place for it: its class has slots, and an exchanged class can add none.
    """

    # Defaults stand in the class: of most bodies only one of these is ever changed.
    keeps: bool = False
    """Whether a whole body stays readable after its connection has gone."""
    is_limited: bool = False
    """Whether what the client does wrong is to be answered as what it is."""
    max_size: int | None = None
    idle: float | None = None
    total: float | None = None
    is_compressed: bool = False
    """Whether aiohttp unpacks what arrives, however much that will be."""
    connection: "weakref.ref[asyncio.Task[None]] | None" = None
    """The connection's own task; once the request is answered, it reads what is left.

    It has the request among its variables: a request whose client has left would hold itself.
    """
    began: float = 0.0
    """When the wait that goes on began, by the loop's clock."""
    heard: float = 0.0
    """When the client was heard of last, in that wait."""
    waited: float = 0.0
    """Seconds that were spent in waits that are over."""
    timer: asyncio.TimerHandle | None = None
    tap: ParserTap | None = None
    failure: BodyFailure | None = None
    is_stopped: bool = False
    """Whether the connection throws away all that arrives."""
    told: bool = False
    """Whether somebody who read has been told of the failure."""
    ended: bool = False
    """Whether the end of a body that has failed has arrived, or is not waited for."""

    def is_connections_turn(self) -> bool:
        """Whether it is the connection's own task that runs."""
        task = asyncio.current_task()
        return task is not None and self.connection is not None and self.connection() is task

    def assert_timeout(self) -> None:
        """Raises where the body has failed; aiohttp's reader asks before it hands out data."""
        if self.failure is not None:
            self.told = True
            raise self.failure.read()

    def due(self) -> float:
        """When the wait that goes on has lasted too long, by the loop's clock."""
        return min(
            math.inf if self.total is None else self.began + self.total - self.waited,
            math.inf if self.idle is None else self.heard + self.idle,
        )

    def passed(self, now: float) -> BodyFailure:
        """The bound that has been passed; one of the two has."""
        if self.total is not None and now >= self.began + self.total - self.waited:
            return late(self.total, "total")
        return late(self.idle or 0.0, "idle")

    @property
    def closes(self) -> bool:
        """Whether the body has failed so that the connection cannot be used again."""
        failure = self.failure
        return failure is not None and (
            failure.closes or (self.is_compressed and failure.answer is not None)
        )

    def refusal(self) -> web.HTTPException | None:
        """What answers the request, where its body failed by the client's doing.

        `None` where it did not, or where nobody who read has been told.
        """
        if self.failure is None or self.failure.answer is None or not self.told:
            return None
        return self.failure.answer()
