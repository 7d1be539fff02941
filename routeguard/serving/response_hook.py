"""The response hook: whatever leaves passes here last, also what no middleware has seen."""

from aiohttp import web

from routeguard.policies.cors.preflight import log_refused_origin
from routeguard.running.deadlines import NO_BOUNDS, Deadline
from routeguard.serving.handling import AS_HANDLED, FINISHED, HANDLING, Handling
from routeguard.serving.plan import Plan, PlanBook

__all__ = ["ResponseHook"]


class ResponseHook:
    """Notes that a response begins, and writes the headers that policies put on it."""

    __slots__ = ("plans",)

    def __init__(self, plans: PlanBook) -> None:
        self.plans: PlanBook = plans

    async def on_response_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """The receiver for aiohttp's signal."""
        if type(response) is web.Response:
            try:
                if response.__getitem__(FINISHED) is request:
                    return
            except KeyError:
                pass  # it has not come through the dispatcher, or not through the outermost
        match_info = request.match_info
        plan = self.plans.by_route.get(match_info.route)
        if plan is None:
            known = request.get(HANDLING)
            plan = self._find(request) if known is None else known.plan
        if plan.is_empty:
            return
        exchange = None
        deadline = None if plan.clock is None else plan.clock.deadline_of(id(match_info))
        if deadline is None:
            exchange = self.exchange(request, plan)
            deadline = exchange.deadline
        if deadline is None or deadline.response is response:
            return  # as when the hook is called again for aiohttp's own 500
        deadline.response_started(response)
        await self.mark(request, response, plan, exchange)

    def _find(self, request: web.Request) -> Plan:
        return self.plans.find(request.match_info, request.method, request.rel_url)

    def exchange(self, request: web.Request, plan: Plan) -> Handling:
        """The exchange of a request, with a deadline: both are made if there were none so far."""
        exchange = request.get(HANDLING)
        if exchange is None:
            exchange = request[HANDLING] = Handling(plan)
            exchange.secure = plan.https is not None and plan.https.reported(request) == "https"
        if exchange.deadline is None:
            running = plan.clock and plan.clock.deadline_of(id(request.match_info))
            exchange.deadline = running or Deadline(NO_BOUNDS, None)
        return exchange

    async def mark(
        self,
        request: web.Request,
        response: web.StreamResponse,
        plan: Plan,
        exchange: Handling | None,
    ) -> None:
        """Writes what policies put on a response."""
        # Nothing is marked in answer to a preflight, nor does one that is not ours get anything.
        is_preflight = exchange is not None and exchange.is_preflight
        if plan.cors and not is_preflight and not plan.cors.mark_known(request, response.headers):
            await self.examine(request, response, plan)
        if plan.hsts is not None and exchange is not None:
            plan.hsts.mark(request, response.headers, secure=exchange.secure)

    async def examine(self, request: web.Request, response: web.StreamResponse, plan: Plan) -> None:
        """Marks the response to an origin that is not known by heart, and logs a refused one."""
        assert plan.cors is not None
        as_handled = request.get(AS_HANDLED)
        if as_handled is None:
            as_handled = request if plan.https is None else plan.https.rescheme(request)
        if await plan.cors.mark(as_handled, response.headers):
            return
        deadline = self.exchange(request, plan).deadline
        if deadline is not None and not deadline.refusal_logged:
            deadline.refusal_logged = True
            log_refused_origin(request, plan.cors_source, secure=as_handled.secure)
