"""The response hook: whatever leaves passes here last, also what no middleware has seen."""

import asyncio
from collections.abc import Awaitable, Generator, Iterator

from aiohttp import web

from routeguard.internals.kept import kept_until
from routeguard.running.state import State, StateMark, keep_as_raised
from routeguard.serving.fast_lane import FastLane
from routeguard.serving.plan import Plan, PlanBook

__all__ = ["ResponseHook"]


class _Done:
    """What is done already, for an application that has not started and has no event loop."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class ResponseHook:
    """Notes that a response begins, and has the policies write on it."""

    __slots__ = ("_done", "plans")

    plans: PlanBook

    def __init__(self) -> None:
        self._done: Awaitable[None] = _Done()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Makes ready for a run of the application.

        Args:
            loop: the event loop that it runs in.
        """
        done = loop.create_future()
        done.set_result(None)
        self._done = done  # CPython awaits a future without calling any Python

    def on_response_prepare(
        self, request: web.Request, response: web.StreamResponse
    ) -> Awaitable[None]:
        """The receiver for aiohttp's signal.

        For most responses there is nothing to await. A coroutine of its own for each would cost
        more than what is done here.
        """
        state = kept_until(response, request)
        if state is response:  # the fast lane has written all that policies write
            return self._done
        plans = self.plans
        if not isinstance(state, State):
            plan = plans.by_route.get(request.match_info.route)
            if plan is not None:
                if plan.lane is not None:
                    if plan.lane.mark(request, response):
                        return self._done
                elif not plan.bound:
                    return self._done
            state = self._make(request, plan, response)
            if state is None:
                return self._done  # nothing is to be written
        if state.owner is not plans:
            return self._done  # another dispatcher, outside this one, does it
        if not state.ended:
            if state.response is response:
                return self._done  # as when the hook is called again
            state.started(response)
        if isinstance(response, Exception):
            keep_as_raised(response)
        marks = iter(state.marks)
        for mark in marks:
            pending = mark(request, response, state)
            if pending is not None:
                return self._write_on(request, response, state, pending, marks)
        return self._done

    async def _write_on(
        self,
        request: web.Request,
        response: web.StreamResponse,
        state: State,
        pending: Awaitable[None],
        marks: Iterator[StateMark],
    ) -> None:
        """Awaits what a policy writes, and has those after it write."""
        await pending
        for mark in marks:
            following = mark(request, response, state)
            if following is not None:
                await following

    def _make(
        self, request: web.Request, plan: Plan | None, response: web.StreamResponse
    ) -> State | None:
        """The state of a request that has none: it is in the fast lane, or no middleware saw it."""
        if plan is not None and plan.lane is not None:
            idle = not plan.marks and not plan.lane.serves(request)
            if idle and isinstance(response, web.Response):
                return None
            return plan.lane.state_of(request, response)
        # A clone's path might lead to another plan than the one that serves the request.
        lane = self.plans.running.clocks.server_of(id(request.match_info))
        if isinstance(lane, FastLane):
            return lane.state_of(request)
        plan = self.plans.find(request.match_info, request.method, request.rel_url)
        if plan.lane is not None:
            return plan.lane.state_of(request, response)
        if not plan.marks:
            return None
        state = State(request, request.match_info.handler, plan.marks, self.plans)
        state.end()  # nothing but this response is to come
        return state
