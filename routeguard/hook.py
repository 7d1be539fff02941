"""The response hook: whatever leaves passes here last, also what no middleware has seen."""

from aiohttp import web

from routeguard.handling import FINISHED, HANDLING, Handling
from routeguard.plan import Plan, PlanBook
from routeguard.policies.preflight import log_refused_origin

__all__ = ["ResponseHook"]


class ResponseHook:
    """Notes that a response begins, and writes the headers that policies put on it."""

    __slots__ = ("plans",)

    def __init__(self, plans: PlanBook) -> None:
        self.plans: PlanBook = plans

    async def on_response_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """The receiver for aiohttp's signal."""
        try:
            if response.__getitem__(FINISHED) is request:
                return
        except KeyError:
            pass  # it has not come through the dispatcher, or not by the short way
        known = self.plans.by_route.get(request.match_info.route)
        if known is not None and known.is_empty:
            return
        exchange = request.get(HANDLING)
        if exchange is None:
            exchange = self.begin(request, known)
            https = exchange.plan.https
            exchange.secure = https is not None and https.is_secure(request)
        if exchange.plan.is_empty or exchange.response is response:
            return  # the hook of a dispatcher around this one comes first
        exchange.deadline.response_started(response)
        plan = exchange.plan
        # Nothing is marked in answer to a preflight, nor does one that is not ours get anything.
        if (
            plan.cors is not None
            and not exchange.is_preflight
            and not plan.cors.mark_known(request, response.headers)
        ):
            await self.examine(request, response, exchange)
        if plan.hsts is not None:
            plan.hsts.mark(request, response.headers, secure=exchange.secure)

    def begin(self, request: web.Request, plan: Plan | None = None) -> Handling:
        """Makes the exchange of a request that has had none so far."""
        match_info = request.match_info
        plan = plan or self.plans.find(match_info, request.method, request.rel_url)
        exchange = request[HANDLING] = Handling(plan)
        if plan.clock is not None and (deadline := plan.clock.deadline_of(id(match_info))):
            exchange.deadline = deadline
        return exchange

    async def examine(
        self, request: web.Request, response: web.StreamResponse, exchange: Handling
    ) -> None:
        """Marks the response to an origin that is not known by heart, and logs a refused one."""
        plan = exchange.plan
        assert plan.cors is not None
        allowed = await plan.cors.mark(exchange.request or request, response.headers)
        if not allowed and not exchange.refusal_logged:
            exchange.refusal_logged = True
            log_refused_origin(request, plan.cors_source, secure=exchange.secure)
