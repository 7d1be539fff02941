"""What `body` does to a request: bounds its body, and answers what the client did wrong."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from routeguard.internals.bodies import limit_body, refusal_of_lost, whole_within
from routeguard.internals.reader import GuardedReader
from routeguard.internals.request import close_after_answer, length_of_body
from routeguard.policy import Bound, Place
from routeguard.quoting import quoted
from routeguard.refusals import BodyTimeout
from routeguard.running.deadlines import HandlerTimeout
from routeguard.running.started import can_be_answered
from routeguard.running.state import Run, State
from routeguard.running.unfinished import end_unfinished

__all__ = ["BoundBody"]

logger: logging.Logger = logging.getLogger("routeguard.body")


class BoundBody(Bound):
    """One `body` in one run of the application."""

    __slots__ = ("_place", "idle", "max_size", "passes", "total")

    def __init__(
        self, max_size: int | None, idle: float | None, total: float | None, place: Place
    ) -> None:
        self.max_size: int | None = max_size
        self.idle: float | None = idle
        self.total: float | None = total
        self.passes: Callable[[web.Request], bool] = whole_within(max_size)
        """Whether a body has arrived in full and is small enough, as most do and are."""
        self._place = place

    def refuses_body(self, request: web.Request) -> bool:
        """Whether a body is too large by its own account."""
        if self.max_size is None or request.match_info.http_exception is not None:
            return False
        length = length_of_body(request)
        return length is not None and length > self.max_size

    def link(self, inner: Run) -> Run:
        """The chain's link: what is inside, with a body that is bounded."""
        max_size, idle, total = self.max_size, self.idle, self.total

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            if not request.body_exists or request.match_info.http_exception is not None:
                return inner(request, state)
            if self.passes(request):
                return whole(request, state)
            body = limit_body(request, max_size=max_size, idle=idle, total=total)
            return inner(request, state) if body is None else bounded(request, state, body)

        async def whole(request: web.Request, state: State) -> web.StreamResponse:
            try:
                return await inner(request, state)
            except Exception as error:
                refusal = refusal_of_lost(request, error)
                if refusal is None:
                    raise
                try:
                    return await self.answer(request, state, error, refusal)
                finally:
                    del refusal  # or refusal, traceback and this frame were a cycle

        async def bounded(
            request: web.Request, state: State, body: GuardedReader
        ) -> web.StreamResponse:
            try:
                body.check_size(length_of_body(request))
                response = await inner(request, state)
            except Exception as error:
                refusal = body.state.refusal() or _timeout_in_body(error)
                if refusal is None:
                    raise
                _close(request, body)
                try:
                    return await self.answer(request, state, error, refusal)
                finally:
                    del refusal  # or refusal, traceback and this frame were a cycle
            if body.state.failure is not None:
                _close(request, body)
            return response

        return run

    async def answer(
        self,
        request: web.Request,
        state: State,
        error: Exception,
        refusal: web.HTTPException,
    ) -> web.StreamResponse:
        """What ended a handler whose body has failed: the failure itself, or what it led to."""
        logger.info(
            "%s %s (%s): %s", request.method, quoted(request.path), self._place, refusal.text
        )
        is_answered = can_be_answered(request, state.response)
        self._tell(request, refusal, refusal.status if is_answered else None)
        if not is_answered:
            return await end_unfinished(request, state.response)
        try:
            if isinstance(error, web.HTTPException):
                raise error
            raise refusal from error
        finally:
            del error, refusal  # or exception, traceback and this frame were a cycle

    def _tell(self, request: web.Request, refusal: web.HTTPException, status: int | None) -> None:
        late = refusal if isinstance(refusal, BodyTimeout) else None
        self._place.tell(
            request,
            "body",
            "refused" if late is None else "expired",
            status=status,
            error=refusal,
            seconds=None if late is None else late.seconds,
            bound=None if late is None else late.bound,
        )


def _timeout_in_body(error: Exception) -> BodyTimeout | None:
    """A bound of the handler's that passed while it waited for the body."""
    if isinstance(error, HandlerTimeout) and error.in_body:
        return BodyTimeout(error.seconds, error.bound)
    return error if isinstance(error, BodyTimeout) else None


def _close(request: web.Request, body: GuardedReader) -> None:
    """Has the answer say that the connection closes, where it can serve no other request."""
    if body.state.closes or hdrs.EXPECT in request.headers:
        close_after_answer(request)
