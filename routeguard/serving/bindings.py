"""Policies bound to one run of an application, each once for its statement."""

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby

from aiohttp import web

from routeguard.configuration import ConfigError
from routeguard.policy import Bound, Handler, Link, Middleware, Place, Policy
from routeguard.routes.handlers import handler_name
from routeguard.routes.resolution import Decision
from routeguard.routes.scope import Statement
from routeguard.running.application import Running
from routeguard.running.state import Run, State, StateMark, run_on_clone

__all__ = ["Binding", "Bindings", "joined"]

OWN_METHODS = ("handle", "mark", "start", "stop")

logger: logging.Logger = logging.getLogger("routeguard")


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """What a policy does to requests, once it is bound.

    Attributes:
        target: what the policy was bound to.
        link: puts it around what is inside; `None` where it does nothing there.
        mark: writes on responses that leave.
        beside: a middleware to run next to the handler, and the application that stated it.
    """

    target: object
    link: Link | None
    mark: StateMark | None
    beside: tuple[Middleware, web.Application] | None = None

    @property
    def owns_work(self) -> bool:
        """Whether what is inside goes on without the client."""
        return isinstance(self.target, Bound) and self.target.owns_work

    def split(self) -> tuple[Link, Link] | None:
        """The link in two, for where the work inside is owned; `None` where it stays one."""
        return self.target.split() if isinstance(self.target, Bound) else None


class Bindings:
    """The bound policies of one run of an application."""

    __slots__ = ("_found", "_running", "_started", "_targets")

    def __init__(self, running: Running) -> None:
        self._running = running
        self._targets: dict[Hashable, object] = {}
        self._found: dict[int, Binding] = {}
        """By the identity of what a policy was bound to."""
        self._started: list[object] | None = None

    def target_of(self, statement: Statement) -> object:
        """What a statement's policy is bound to in this run; it is bound if it was not."""
        target = self._targets.get(statement.key, self)
        if target is self:
            place = Place(
                statement.place,
                statement.kind,
                statement.app,
                self._running,
                "" if statement.handler is None else handler_name(statement.handler),
            )
            target = statement.policy.bind(place)
            _check(target, statement)
            if self._started is not None and _lives(target):
                raise ConfigError(
                    f"{statement.policy!r} of a route that was added after start-up cannot be "
                    f"started any more: add the route before the application starts"
                )
            self._targets[statement.key] = target
        return target

    def of_statement(self, statement: Statement, method: str) -> Binding | None:
        """What a statement does for a method; `None` where that is nothing."""
        return self._of(self.target_of(statement), method)

    def of_kind(self, kind: type[Policy], method: str) -> Binding | None:
        """What a kind does on every route with a method, stated there or not."""
        return self._of(kind.on_every_route(self._running, method), method)

    def _of(self, target: object, method: str) -> Binding | None:
        if isinstance(target, Bound):
            target = target.for_method(method)
        if target is None:
            return None
        binding = self._found.get(id(target))
        if binding is None:
            # The binding holds its target, so that no other object can have the same identity.
            binding = self._found[id(target)] = _bind(target)
        acts = binding.link or binding.mark or binding.beside
        return binding if acts else None

    def of_decision(self, decision: Decision, method: str) -> list[Binding]:
        """What the statements of one kind do for a method, in the order in which they run.

        Those that are to be joined stand nearest first.
        """
        found = [self.of_statement(one, method) for one in decision.winners]
        if len(found) > 1 and any(one is not None and _joins(one.target) for one in found):
            found = [self.of_statement(one, method) for one in decision.nearest_first]
        return [one for one in found if one is not None]

    async def start(self) -> None:
        """Awaits the `start` of all targets bound so far. Where one fails, those that have started
        are stopped again."""
        self._started = []
        for target in list(self._targets.values()):
            if _lives(target):
                self._started.append(target)
        for count, target in enumerate(self._started):
            try:
                await _call(target, "start")
            except BaseException:
                self._started = self._started[:count]
                await self.stop()
                raise

    async def stop(self) -> None:
        """Awaits the `stop` of all that were started, the last first; a failure is logged."""
        started, self._started = self._started or [], None
        for target in reversed(started):
            try:
                await _call(target, "stop")
            except Exception:
                logger.exception("%r failed to stop", target)


def joined(bindings: Sequence[Binding]) -> list[Binding]:
    """The same with one binding in place of all statements of a kind that joins them."""
    found: list[Binding] = []
    for _, group in groupby(bindings, lambda one: type(one.target)):
        several = list(group)
        bound = [one.target for one in several if isinstance(one.target, Bound)]
        target = bound[0].join(bound[1:]) if len(bound) > 1 and _joins(bound[0]) else None
        found += several if target is None else [_bind(target)]
    return found


def _joins(target: object) -> bool:
    return isinstance(target, Bound) and type(target).join is not Bound.join


def _bind(target: object) -> Binding:
    if isinstance(target, Bound):
        link = target.link if type(target).link is not Bound.link else None
        return Binding(target, link, target.marks(), target.beside_handler())
    handle, mark = _own(target, "handle"), _own(target, "mark")
    return Binding(
        target,
        None if handle is None else _link_of(handle),
        None if mark is None else _guarded(mark, target),
    )


def _own(target: object, name: str) -> "Callable[..., Awaitable[web.StreamResponse]] | None":
    """A method of a bound object; `None` where it has none, or only what `Policy` has."""
    inherited = getattr(Policy, name)
    if getattr(type(target), name, None) is inherited:
        return None
    found = getattr(target, name, None)
    return found if callable(found) else None


def _lives(target: object) -> bool:
    """Whether a target has a `start` or a `stop` of its own."""
    if isinstance(target, Bound):
        kind = type(target)
        return kind.start is not Bound.start or kind.stop is not Bound.stop
    return _own(target, "start") is not None or _own(target, "stop") is not None


async def _call(target: object, name: str) -> None:
    method = getattr(target, name) if isinstance(target, Bound) else _own(target, name)
    if method is not None:
        await method()


def _check(target: object, statement: Statement) -> None:
    """Raises `ConfigError` for an object that can do nothing."""
    if target is None or isinstance(target, Bound):
        return
    faults = [
        f"{name} is no method: the name is that of a method of Policy; call the field otherwise"
        for name in OWN_METHODS
        if hasattr(target, name) and not callable(getattr(target, name))
    ]
    if not faults and not any(hasattr(target, name) for name in OWN_METHODS):
        faults.append(
            f"bind returned {target!r}, which has none of the methods {', '.join(OWN_METHODS)}: "
            f"return an object that has, or None where there is nothing to do"
        )
    if faults:
        raise ConfigError(repr(statement.policy), *faults)


class _Inwards:
    """The handler that a policy is given: what is inside it, for one request.

    It has the attributes of the handler, as a link of aiohttp's own chain has.
    """

    __slots__ = ("_inner", "_request", "_state")

    def __init__(self, inner: Run, request: web.Request, state: State) -> None:
        self._inner = inner
        self._request = request
        self._state = state

    def __call__(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        if request is self._request:
            return self._inner(request, self._state)
        return run_on_clone(self._inner, request, self._request, self._state)

    def __getattr__(self, name: str) -> object:
        return getattr(self._state.handler, name)


def _link_of(
    handle: "Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]",
) -> Callable[[Run], Run]:
    def link(inner: Run) -> Run:
        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            return handle(request, _Inwards(inner, request, state))

        return run

    return link


def _guarded(mark: Callable[..., object], target: object) -> StateMark:
    """The mark of an application's own kind: where it fails, the response leaves without it."""

    async def finish(written: Awaitable[object]) -> None:
        try:
            await written
        except Exception:
            logger.exception("%r failed to mark a response", target)

    def write(
        request: web.Request, response: web.StreamResponse, state: State
    ) -> Awaitable[None] | None:
        try:
            written = mark(request, response)
        except Exception:
            logger.exception("%r failed to mark a response", target)
            return None
        return finish(written) if isinstance(written, Awaitable) else None

    return write
