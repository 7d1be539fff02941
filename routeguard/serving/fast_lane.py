"""The fast lane: where no more than cors, errors, https, body, shield and a start bound apply.

It does what the chain of these policies does, in one function, since a call costs as much as what
it does. It is an optimisation: with the environment variable `ROUTEGUARD_FAST_LANE=off` all
requests take the chain, and are answered the same. This is the only module of `serving` that knows
kinds of policy.
"""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Container, Sequence

from aiohttp import web
from multidict import istr

from routeguard.http import VARY
from routeguard.internals.bodies import refusal_of_lost
from routeguard.internals.kept import keep
from routeguard.network.authorities import TARGET_SETS_SCHEME
from routeguard.policies.body.serving import BoundBody
from routeguard.policies.cors.fields import ALLOW_ORIGIN, ORIGIN, has_cors_headers
from routeguard.policies.cors.serving import BoundCors
from routeguard.policies.errors.serving import BoundErrors
from routeguard.policies.https.serving import BoundHttps
from routeguard.policies.shield.serving import BoundShield
from routeguard.policies.timeout.serving import BoundTimeout, expired, note_overtaken
from routeguard.policy import Guarded, Handler
from routeguard.running.application import Running
from routeguard.running.deadlines import Clock, Deadline
from routeguard.running.last_answer import last_answer
from routeguard.running.state import State, StateMark, call_handler, state_of

__all__ = ["FastLane", "find_lane"]

CONTENT_TYPE = istr("Content-Type")
NO_HEADER = istr("")
"""The name that no header has."""
NO_LINES: tuple[str, ...] = ()

IS_OPEN: bool = os.environ.get("ROUTEGUARD_FAST_LANE") != "off"


class FastLane:
    """The fast lane for one plan."""

    __slots__ = (
        "_body",
        "_chain",
        "_clock",
        "_cors",
        "_errors",
        "_https",
        "_marks",
        "_origins",
        "_owner",
        "_proxy",
        "_scheme_header",
        "_shield",
        "_timeout",
        "_wrapped",
        "is_alone",
    )

    def __init__(
        self,
        clock: Clock,
        sharing: BoundCors | None,
        answering: BoundErrors | None,
        secured: BoundHttps | None,
        timing: BoundTimeout | None,
        bounding: BoundBody | None,
        owning: BoundShield | None,
        chain: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]],
        marks: tuple[StateMark, ...],
        owner: object,
        *,
        is_alone: bool,
    ) -> None:
        self._clock = clock
        self._cors = sharing
        self._errors = answering
        self._https = secured
        self._timeout = timing
        self._body = bounding
        self._shield = owning
        self._chain = chain
        self._marks = marks
        self._owner = owner
        self.is_alone: bool = is_alone
        """Whether no other middleware or hook runs between the dispatcher's own."""
        self._origins: Container[str] = (
            frozenset() if sharing is None else sharing.policy.plain_origins
        )
        self._proxy: object = None
        """The decorated handler that was called last."""
        self._wrapped: Handler
        """What it wraps."""
        self._scheme_header = NO_HEADER if secured is None else secured.policy.names[0]

    async def enter(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serves a request: what `plan.enter` is.

        Most handlers return a response before anything else happens. For their requests an entry
        in the queue of a clock is all that is kept.
        """
        asked = request.headers
        match_info = request.match_info
        clock = self._clock
        key = id(match_info)  # which all clones of the request share, and no other request has
        queue = clock.queue
        # It comes a second time while it is served, or while its response is being sent.
        if key in queue or (clock.materialised and key in clock.materialised):
            return await self._chain(request, handler)
        if (
            self._https is not None
            and (
                self._scheme_header in asked or (TARGET_SETS_SCHEME and request.raw_path[:1] != "/")
            )
            and self._https.policy.rescheme(request) is not request
        ):
            return await self._chain(request, handler)
        if (
            self._body is not None
            and request.body_exists
            and match_info.http_exception is None
            and not self._body.passes(request)
        ):
            return await self._chain(request, handler)
        task = asyncio.current_task(clock.loop)
        if not self.is_alone and task is not None and task.cancelling():
            return await self._chain(request, handler)  # which counts from there
        if type(handler) is Guarded:
            # A proxy is called as what it wraps; to ask it for that takes long.
            if handler is not self._proxy:
                self._proxy = handler
                self._wrapped = handler.__wrapped__  # type: ignore[assignment]
            handler = self._wrapped
        when = clock.now() + clock.seconds
        queue[key] = (when, task, request, self)
        if clock.timer is None:
            clock.arm(when)
        deadline = state = None
        is_begun = False
        response: web.StreamResponse | None
        try:
            try:
                if self._shield is None:
                    response = await handler(request)
                else:
                    state = State(request, handler, self._marks, self._owner)
                    state.clock, state.key = clock, key
                    response = await self._shield.run(request, call_handler, state)
            finally:
                # Only a deadline, or a response that has begun, has taken the key out.
                is_begun = queue.pop(key, None) is None
                if clock.materialised:
                    deadline = clock.leave(key)
                elif not queue:
                    clock.disarm()
        except (Exception, asyncio.CancelledError) as error:
            response = None
            if deadline is None and not is_begun:
                response = self._answer_at_once(request, error)
            if response is None:
                response = await self._answer(request, error, deadline)
        # Others may change their headers as they are prepared, or have been prepared already.
        if is_begun:
            state = state_of(request)
        if state is not None:
            state.end()
        if not is_begun and self.is_alone and type(response) is web.Response:
            headers = response.headers
            lines = asked.getall(ORIGIN, NO_LINES)
            if (
                len(lines) == 1
                and lines[0] in self._origins
                and len(headers) == 1
                and CONTENT_TYPE in headers
            ):
                headers[VARY] = "Origin"
                headers[ALLOW_ORIGIN] = lines[0]
            elif self._cors is not None:
                if response.prepared:
                    return response
                if not self._cors.policy.write_known(request, headers):
                    state = self.state_of(request)
                    await self._cors.examine(request, response, state)
            keep(request, response)  # the response hook is to write nothing more
        return response

    def mark(self, request: web.Request, response: web.StreamResponse) -> bool:
        """Writes on a response in the response hook, where that is quickly done.

        It may be a stream that begins. Or others than the dispatcher may have changed the response
        since the handler returned it, so that it was not written on then.

        Returns:
            Whether all is written; `False` where the policies' own marks are to do it.
        """
        if type(response) is web.StreamResponse:
            return self._begin(request, response)
        if (
            self.is_alone
            or type(response) is not web.Response
            or id(request.match_info) in self._clock.queue
            or state_of(request) is not None
        ):
            return False
        return self._cors is None or self._cors.policy.write_known(request, response.headers)

    def _begin(self, request: web.Request, response: web.StreamResponse) -> bool:
        """Notes that a stream begins and writes on it, where that is quickly done."""
        clock, match_info = self._clock, request.match_info
        headers = response.headers
        lines = request.headers.getall(ORIGIN, NO_LINES)
        if (
            clock.materialised
            or self._shield is not None
            or len(lines) != 1
            or lines[0] not in self._origins
            or VARY in headers
            or has_cors_headers(headers)
            or clock.queue.pop(id(match_info), None) is None  # the bound on the start is kept
        ):
            return False
        if not clock.queue:
            clock.disarm()
        state = State(request, match_info.handler, self._marks, self._owner)
        state.response = response
        headers[VARY] = "Origin"
        headers[ALLOW_ORIGIN] = lines[0]
        return True

    def state_of(self, request: web.Request, response: web.StreamResponse | None = None) -> State:
        """The state of a request, made where something needs it: its response begins, or fails.

        Args:
            request: the request.
            response: the response that begins, if one does.
        """
        state = state_of(request)
        if state is None:
            match_info = request.match_info
            state = State(request, match_info.handler, self._marks, self._owner)
            key = id(match_info)
            if key in self._clock.queue or key in self._clock.materialised:
                state.clock, state.key = self._clock, key
            elif response is None or isinstance(response, web.Response):
                state.end()  # nothing but the response is still to come
            # Else it is a stream, and may be one that an error handler writes.
        return state

    def serves(self, request: web.Request) -> bool:
        """Whether it serves a request now, whose response has not begun."""
        return id(request.match_info) in self._clock.queue

    def _answer_at_once(
        self, request: web.Request, error: Exception | asyncio.CancelledError
    ) -> web.Response | None:
        """Answers what ended a handler before any response began, where that takes no waiting."""
        if self._errors is None or not isinstance(error, Exception):
            return None
        if self._body is not None and request.content.exception() is not None:
            return None
        return self._errors.answer_at_once(request, error)

    async def _answer(
        self,
        request: web.Request,
        error: Exception | asyncio.CancelledError,
        deadline: Deadline | None,
    ) -> web.StreamResponse:
        """Answers what ended a handler."""
        state = state_of(request)
        if deadline is not None:
            if state is None or state.ended:
                state = State(request, request.match_info.handler, self._marks, self._owner)
            state.deadline = deadline
        begun = None if state is None else state.response
        try:
            if isinstance(error, asyncio.CancelledError):
                if deadline is None or not deadline.timed_out:
                    note_overtaken(request, deadline)
                    raise error
                assert self._timeout is not None
                error = await expired(request, deadline, begun, error, self._timeout.place)
            if self._body is not None:
                try:
                    refusal = refusal_of_lost(request, error)
                    if refusal is not None:
                        state = self.state_of(request)
                        return await self._body.answer(request, state, error, refusal)
                except Exception as passed:
                    error = passed
                finally:
                    refusal = None
            if self._errors is not None:
                try:
                    return await self._errors.answer(request, error)
                except Exception as passed:
                    error = passed
            answer = last_answer(request, error, begun)
            if answer is not None:
                return answer
            raise error
        finally:
            if state is None and request.writer.output_size > 0:
                state = state_of(request)  # made since, for what the error handler has sent
            if state is not None:
                state.end()
            del error  # or error, traceback and this frame were a cycle


def find_lane(
    bound: Sequence[object],
    marks: tuple[StateMark, ...],
    chain: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]],
    running: Running,
    owner: object,
    *,
    is_alone: bool,
) -> FastLane | None:
    """The fast lane for what applies to a request; `None` where the chain is to be taken.

    Args:
        bound: what the policies that apply are bound to, outermost first.
        marks: what they write on responses.
        chain: the way through the chain.
        running: the run of the application.
        owner: whose requests these are.
        is_alone: whether no other middleware or hook runs between the dispatcher's own.
    """
    clock: Clock | None = None
    sharing: BoundCors | None = None
    answering: BoundErrors | None = None
    secured: BoundHttps | None = None
    timing: BoundTimeout | None = None
    bounding: BoundBody | None = None
    owning: BoundShield | None = None
    for one in bound:
        match one:
            case BoundCors():
                sharing = one
            case BoundErrors():
                answering = one
            case BoundHttps(policy=policy) if not policy.redirect and policy.hsts is None:
                secured = one
                if len(policy.names) > 1:
                    return None
            case BoundTimeout(bounds=bounds) if bounds.total is bounds.idle is None:
                clock, timing = bounds.start, one
            case BoundBody():
                bounding = one
            case BoundShield():
                owning = one
            case _:
                return None
    if not IS_OPEN:
        return None
    clock = clock or running.clocks.of("start", math.inf)
    policies = (sharing, answering, secured, timing, bounding, owning)
    return FastLane(clock, *policies, chain, marks, owner, is_alone=is_alone)
