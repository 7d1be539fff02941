"""What is known of one request while it is being handled, in one slot of the request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from aiohttp import web
from multidict import CIMultiDict

from routeguard.internals.kept import keep, kept_of
from routeguard.internals.response import stored_in
from routeguard.running.deadlines import Clock, Deadline

__all__ = [
    "Counted",
    "Mark",
    "RequestKey",
    "ResponseKey",
    "Run",
    "State",
    "StateMark",
    "Watcher",
    "begun_of",
    "call_handler",
    "headers_as_raised",
    "keep_as_raised",
    "run_on_clone",
    "state_of",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Mark = Callable[[web.Request, web.StreamResponse], Awaitable[None] | None]
"""Writes on a response that leaves; awaited where it returns something to await."""


class Watcher(Protocol):
    """What is told when the response to a request begins."""

    def response_started(self, response: web.StreamResponse) -> None: ...


Counted: TypeAlias = tuple[object, Sequence[tuple[int, float]], "Counted | None"]
"""What remains of a rate limit for one request: the limit's header fields; for each rate, how many
requests remain and in how many seconds the next place becomes free; and what other limits have
counted before."""


class State:
    """What is known of one request while it is being handled, shared by all its clones."""

    __slots__ = (
        "clock",
        "counted",
        "deadline",
        "detached",
        "ended",
        "handler",
        "key",
        "marks",
        "notes",
        "owner",
        "response",
        "shielded",
        "watchers",
        "work",
    )

    def __init__(
        self,
        request: web.BaseRequest,
        handler: Handler,
        marks: "tuple[StateMark, ...]",
        owner: object,
    ) -> None:
        """The state of a request from now on, and of all its clones."""
        keep(request, self)
        self.handler: Handler = handler
        """The handler that aiohttp gave the dispatcher: the application's other middlewares around
        the route's own."""
        self.marks: tuple[StateMark, ...] = marks
        """What writes on the response when it leaves."""
        self.owner: object = owner
        """The plans by which the request is handled. Of several dispatchers around a request, the
        outermost handles it; the response hooks of the others see another owner and do nothing."""
        self.response: web.StreamResponse | None = None
        """The response that was begun last, if one was."""
        self.deadline: Deadline | None = None
        """The deadline that runs, or that ran last."""
        self.clock: Clock | None = None
        """The clock in whose queue an entry stands for a deadline."""
        self.key: int = 0
        """The key of that entry."""
        self.shielded: bool = False
        """Whether the handler's work runs in a task that the application owns."""
        self.detached: bool = False
        """Whether shielded work goes on without the request's own task."""
        self.work: asyncio.Task[object] | None = None
        """The task of shielded work that goes on after the request's own task has stopped waiting.

        A policy outside the shield that has to know when the work ends takes the task and sets this
        to `None`, without awaiting anything before: where the handler is called twice, the next
        task is that of the other call.
        """
        self.watchers: tuple[Watcher, ...] = ()
        """What is told when the response begins."""
        self.counted: Counted | None = None
        """What rate limits have counted: what remains of the last, with that of those before."""
        self.notes: dict[object, object] | None = None
        """What policies keep for the time of the request, by the policy as it was bound."""
        self.ended: bool = False
        """Whether every policy has finished with the request."""

    def watch(self, watcher: Watcher) -> None:
        """Has a watcher told when the response begins."""
        self.watchers = (*self.watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Has a watcher told no more."""
        self.watchers = tuple(one for one in self.watchers if one is not watcher)

    def started(self, response: web.StreamResponse) -> None:
        """Notes that a response begins, and tells the watchers."""
        if self.ended:
            return  # response, request and state would be a cycle
        self.response = response
        if self.clock is not None:
            self.clock.response_started(self.key, response)
        for watcher in self.watchers:
            watcher.response_started(response)

    def running_deadline(self) -> Deadline | None:
        """The deadline that runs, or that ran last; made where only an entry stood for it."""
        if self.clock is not None:
            self.deadline = self.clock.deadline_of(self.key) or self.deadline
        return self.deadline

    def end(self) -> None:
        """Forgets the response, when every policy has finished with the request.

        A response holds its request and the request this state, so that a failed request would
        stay in memory, with its body, until the cyclic collector runs.
        """
        self.ended = True
        self.response = None
        self.clock = None

    def note(self, key: object, value: object) -> None:
        """Keeps something for the time of the request."""
        if self.notes is None:
            self.notes = {}
        self.notes[key] = value

    def noted(self, key: object) -> object:
        """What `note` has kept; `None` where it has kept nothing."""
        return None if self.notes is None else self.notes.get(key)


Run: TypeAlias = Callable[[web.Request, State], Awaitable[web.StreamResponse]]
"""A link of the chain around a handler: what is inside a policy, with all that is inside that."""

StateMark: TypeAlias = Callable[[web.Request, web.StreamResponse, State], Awaitable[None] | None]
"""A mark that is given the state of the request as well."""

if TYPE_CHECKING:
    RequestKey = web.RequestKey
    ResponseKey = web.ResponseKey
else:  # aiohttp before 3.14 keys requests and responses by AppKey
    RequestKey = getattr(web, "RequestKey", web.AppKey)
    ResponseKey = getattr(web, "ResponseKey", web.AppKey)

AS_RAISED: "ResponseKey[CIMultiDict[str]]" = ResponseKey("headers as raised", CIMultiDict[str])


def state_of(request: web.BaseRequest) -> State | None:
    """The state of a request.

    It is `None` until something needs it: a request in the fast lane has only an entry in the
    queue of a clock.
    """
    found = kept_of(request)
    return found if isinstance(found, State) else None


def keep_as_raised(response: web.StreamResponse) -> None:
    """Keeps the headers of an `HTTPException` as they are before policies write on it.

    Applications raise one object for many requests, and what a policy has written for one request
    must not reach the next.
    """
    if isinstance(response, Exception) and AS_RAISED not in response:
        response[AS_RAISED] = response.headers.copy()


def headers_as_raised(error: web.HTTPException) -> "CIMultiDict[str]":
    """The headers of an `HTTPException`, without what policies have written on it before."""
    kept = stored_in(error, AS_RAISED)
    return error.headers if kept is None else kept


def begun_of(request: web.BaseRequest) -> web.StreamResponse | None:
    """The response that was begun last for a request, if one was."""
    state = state_of(request)
    return None if state is None else state.response


def call_handler(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
    """The innermost link of a chain."""
    return state.handler(request)


async def run_on_clone(
    inner: Run, clone: web.Request, request: web.Request, state: State
) -> web.StreamResponse:
    """Goes on inwards with a clone, and hands back what was stored on it.

    Response hooks and middlewares outside see the request that aiohttp made.
    """
    try:
        return await inner(clone, state)
    finally:
        for key in clone:
            request[key] = clone[key]
