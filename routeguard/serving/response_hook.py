"""The response hook: whatever leaves passes here last, also what no middleware has seen."""

from aiohttp import web

from routeguard.internals.writer import keep, kept_of
from routeguard.running.state import State, keep_as_raised
from routeguard.serving.fast_lane import FastLane
from routeguard.serving.plan import Plan, PlanBook

__all__ = ["ResponseHook"]


class ResponseHook:
    """Notes that a response begins, and has the policies write on it."""

    __slots__ = ("plans",)

    plans: PlanBook

    async def on_response_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """The receiver for aiohttp's signal."""
        state = kept_of(request)
        if state is response:  # the fast lane has written all that policies write
            keep(request, None)  # or response, request and writer were a cycle
            return
        plans = self.plans
        if not isinstance(state, State):
            plan = plans.by_route.get(request.match_info.route)
            if plan is not None:
                if plan.lane is not None:
                    if plan.lane.mark(request, response):
                        return
                elif not plan.bound:
                    return
            state = self._make(request, plan, response)
            if state is None:
                return  # nothing is to be written
        if state.owner is not plans:
            return  # another dispatcher, outside this one, does it
        if not state.ended:
            if state.response is response:
                return  # as when the hook is called again
            state.started(response)
        if isinstance(response, Exception):
            keep_as_raised(response)
        for mark in state.marks:
            pending = mark(request, response, state)
            if pending is not None:
                await pending

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
