"""What `rate_limit` does to a request: counts it, or refuses it, and tells the client."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import hdrs, web

from routeguard.http import REQUEST_METHOD
from routeguard.keys import LONGEST, Key, read_key
from routeguard.policies.rate_limit.fields import Fields
from routeguard.policies.rate_limit.redis_store import PROBE_EVERY, Question
from routeguard.policies.rate_limit.refused import RateLimited
from routeguard.policies.rate_limit.stores import Stores
from routeguard.policies.rate_limit.window import Verdict, Windows
from routeguard.policy import Bound, Link, Place
from routeguard.quoting import quoted
from routeguard.running.deadlines import clock_of
from routeguard.running.events import Action
from routeguard.running.state import Run, State, StateMark

if TYPE_CHECKING:
    from routeguard.policies.rate_limit.policy import rate_limit

__all__ = ["BoundRateLimit"]

Found: TypeAlias = Key | Awaitable[Key]
"""What a key function has returned."""

logger: logging.Logger = logging.getLogger("routeguard.rate_limit")


class BoundRateLimit(Bound):
    """One `rate_limit` in one run of the application."""

    __slots__ = (
        "_beside_preflights",
        "_fields",
        "_loop",
        "_place",
        "_policy",
        "_question",
        "_store",
        "_windows",
    )

    def __init__(self, policy: "rate_limit", place: Place) -> None:
        self._policy = policy
        self._place = place
        self._loop = place.running.loop or asyncio.get_running_loop()
        self._fields = Fields(policy.name, policy.rates)
        self._windows = Windows(policy.rates)
        stores = place.running.service(Stores)
        self._question = Question(stores.know(policy.name, place), policy.rates)
        self._store = None if policy.store is None else stores.at(policy.store)
        self._beside_preflights = _BesidePreflights(self)

    def for_method(self, method: str) -> Bound:
        """The limit; for `OPTIONS` one that lets preflights pass."""
        return self._beside_preflights if method == hdrs.METH_OPTIONS else self

    def link(self, inner: Run) -> Run:
        """The chain's link: requests that are within the rates go on inwards."""

        def counted(
            request: web.Request, state: State, found: Found
        ) -> Awaitable[web.StreamResponse]:
            return self._count(request, state, found, inner)

        return self._asking(inner, counted)

    def split(self) -> tuple[Link, Link]:
        """The same in two, where the work inside is owned: nothing is awaited in the outer link.

        A client that hangs up at once would be lost in it.
        """

        def outer(inner: Run) -> Run:
            def put_off(
                request: web.Request, state: State, found: Found
            ) -> Awaitable[web.StreamResponse]:
                state.note(self, _PutOff(found))
                return inner(request, state)

            return self._asking(inner, put_off)

        def within(inner: Run) -> Run:
            def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
                put_off = state.noted(self)
                if isinstance(put_off, _PutOff):
                    return self._count_put_off(request, state, put_off, inner)
                return inner(request, state)

            return run

        return outer, within

    def _asking(
        self,
        inner: Run,
        otherwise: Callable[[web.Request, State, Found], Awaitable[web.StreamResponse]],
    ) -> Run:
        """A link that counts in this process; where something has to be awaited, `otherwise`."""
        key_of, hit, now = self._policy.key, self._windows.hit, clock_of(self._loop)
        is_local, fields, refuse = self._policy.store is None, self._fields, self._refuse

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            found = key_of(request)
            if is_local and type(found) is str and len(found) <= LONGEST:
                wait, counts = hit(found, now())
                state.counted = fields, counts, state.counted
                if wait:
                    refuse(request, found, wait)
                return inner(request, state)
            return otherwise(request, state, found)

        return run

    async def _count(
        self, request: web.Request, state: State, found: Found, inner: Run
    ) -> web.StreamResponse:
        key = read_key(await found if isawaitable(found) else found)
        if key is not None:
            wait, counts = await self._ask(key)
            state.counted = self._fields, counts, state.counted
            if wait:
                self._refuse(request, key, wait)
        return await inner(request, state)

    async def _count_put_off(
        self, request: web.Request, state: State, put_off: "_PutOff", inner: Run
    ) -> web.StreamResponse:
        """Counts a request once, also where a kind of one's own calls inwards twice at once."""
        if put_off.passes is not None:
            if not await asyncio.shield(put_off.passes):
                raise RateLimited(PROBE_EVERY, self._policy.name or self._place.text)
            return await inner(request, state)
        passes = put_off.passes = self._loop.create_future()
        try:
            return await self._count(request, state, put_off.found, _telling(passes, inner))
        finally:
            if not passes.done():
                passes.set_result(False)

    async def _ask(self, key: str) -> Verdict:
        """The verdict on a request; without counts where nothing counts it."""
        if self._store is not None:
            future = self._store.ask(self._question, key)
            verdict = None if future is None else await future
            if verdict is not None:
                return verdict
            if self._policy.on_failure == "allow":
                return 0.0, ()
            if self._policy.on_failure == "refuse":
                return PROBE_EVERY, ()
        return self._windows.hit(key, clock_of(self._loop)())

    def _refuse(self, request: web.Request, key: str, wait: float) -> None:
        """Refuses a request, or only says that it would have been.

        Raises:
            RateLimited: it is refused.
        """
        policy, place = self._policy, self._place
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s %s %s: %s are used up for %s (%s)",
                "would refuse" if policy.report_only else "refused",
                request.method,
                quoted(request.path),
                policy.name or "; ".join(map(str, policy.rates)),
                quoted(key),
                place,
            )
        refusal = RateLimited(wait, policy.name or place.text)
        action: Action = "would refuse" if policy.report_only else "refused"
        place.tell(request, "rate_limit", action, status=refusal.status, error=refusal)
        if not policy.report_only:
            try:
                raise refusal
            finally:
                del refusal  # or refusal, traceback and this frame were a cycle

    def marks(self) -> StateMark | None:
        """Writes on every answer what remains."""
        return None if self._policy.report_only else self._fields.mark()


class _BesidePreflights(Bound):
    """A limit for requests among which preflights are: those pass, and are not counted."""

    __slots__ = ("_limit",)

    def __init__(self, limit: BoundRateLimit) -> None:
        self._limit = limit

    def link(self, inner: Run) -> Run:
        return _unless_preflight(self._limit.link, inner)

    def split(self) -> tuple[Link, Link]:
        outer, within = self._limit.split()
        return partial(_unless_preflight, outer), within

    def marks(self) -> StateMark | None:
        return self._limit.marks()


def _unless_preflight(link: Link, inner: Run) -> Run:
    """A link for all requests but preflights."""
    linked = link(inner)

    def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
        return (inner if _is_preflight(request) else linked)(request, state)

    return run


class _PutOff:
    """The key of a request that is counted inside the task that owns its work."""

    __slots__ = ("found", "passes")

    def __init__(self, found: Found) -> None:
        self.found = found
        self.passes: asyncio.Future[bool] | None = None
        """Whether it was let through, once it is being asked."""


def _telling(passes: "asyncio.Future[bool]", inner: Run) -> Run:
    """What is inside, and whoever waits is told that the request has come so far."""

    def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
        passes.set_result(True)
        return inner(request, state)

    return run


def _is_preflight(request: web.Request) -> bool:
    """Whether a request is a preflight, which asks on behalf of another and does nothing itself.

    A route for all methods might do for it what it does for the others: there it counts.
    """
    return REQUEST_METHOD in request.headers and request.match_info.route.method != hdrs.METH_ANY
