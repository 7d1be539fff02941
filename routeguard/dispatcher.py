"""The one middleware that applies every policy to a request, outermost first."""

import asyncio
from functools import partial

from aiohttp import web

from routeguard.exchange import EXCHANGE, Exchange
from routeguard.plan import NO_POLICY, Plan, PlanBook
from routeguard.policies.around import enclose
from routeguard.policies.deadlines import NO_BOUNDS, Bounds
from routeguard.policies.preflight import answer_preflight, is_preflight, log_refused_origin
from routeguard.policies.started import GOING_AWAY, can_be_answered, cut_off, pass_on
from routeguard.policies.websocket import is_websocket_handshake
from routeguard.policies.work import ShieldedWork
from routeguard.policy import Handler
from routeguard.targets import Targets

__all__ = ["Dispatcher"]


class Handling(Exchange):
    """An exchange, with the plan by which it is handled."""

    is_preflight: bool = False
    refusal_logged: bool = False
    request: web.Request | None = None
    """The request as handlers see it, where that may be a clone."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bounds: Bounds = plan.bounds


NOTHING = Handling(NO_POLICY)
# Only dispatchers put exchanges there, and only of this class.
HANDLING: "web.RequestKey[Handling]" = EXCHANGE  # type: ignore[assignment]


class Dispatcher:
    """What `setup` installs in an application: its plans, its shielded work, its middleware."""

    __slots__ = ("plans", "targets", "work")

    def __init__(self, app: web.Application) -> None:
        self.plans: PlanBook = PlanBook(app)
        self.targets: Targets = Targets(self.plans)
        self.work: ShieldedWork = ShieldedWork()

    def start(self, app: web.Application) -> None:
        """Makes ready for one run of the application, in the loop that runs now."""
        self.plans = PlanBook(app, asyncio.get_running_loop())
        self.targets = Targets(self.plans)

    @web.middleware
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware: https, preflights, errors, csrf and own kinds; `_run` does the rest."""
        plan = self.plans.by_route.get(request.match_info.route)
        if plan is None:
            plan = self.plans.find(request.match_info, request.method, request.rel_url)
            if plan is NO_POLICY:
                request[HANDLING] = NOTHING  # spares the hook from finding it again
        if plan.is_empty:
            return await handler(request)
        exchange = request[HANDLING] = Handling(plan)
        received = request
        if plan.https is not None and plan.https.concerns(request):
            request = exchange.request = plan.https.rescheme(request, exchange)
        if plan.options and is_preflight(request):
            answer = await self._answer_preflight(request, exchange)
            if answer is not None:
                return answer
        try:
            if plan.around:
                run = enclose(plan.around, lambda inner: self._run(inner, handler, exchange))
                return await run(request)
            return await self._run(request, handler, exchange)
        except Exception as error:
            if plan.errors is None:
                return pass_on(request, error, exchange.response)
            return await self._answer_error(request, error, exchange)
        finally:
            if request is not received:
                # Response hooks see the request that aiohttp made, not its clone.
                for key in request:
                    received[key] = request[key]

    async def _run(
        self, request: web.Request, handler: Handler, exchange: Handling
    ) -> web.StreamResponse:
        """Inside csrf: timeout, shield, and the application's middlewares with `use` among them."""
        plan = exchange.plan
        if plan.chain is not None:
            handler = plan.chain.around(request, handler)
        if plan.shield is not None and (
            plan.shields_websockets or not is_websocket_handshake(request)
        ):
            handler = partial(self.work.run, handler=handler, exchange=exchange, limit=plan.limit)
        if plan.bounds is NO_BOUNDS:
            return await handler(request)
        exchange.task = asyncio.current_task(self.plans.loop)
        timed_out = False
        for clock in plan.bounds.running:
            clock.add(exchange)
        try:
            try:
                return await handler(request)
            finally:
                for clock in plan.bounds.running:
                    clock.discard(exchange)
                timed_out = exchange.is_unusual and exchange.undo()
                exchange.task = None
        except asyncio.CancelledError as error:
            if not timed_out:
                raise
            if not can_be_answered(request, exchange.response):
                await cut_off(request, exchange.response, GOING_AWAY)
            raise exchange.timeout() from error

    async def _answer_preflight(
        self, request: web.Request, exchange: Handling
    ) -> web.Response | None:
        """The answer to a preflight; `None` where it is the application's own business."""
        exchange.is_preflight = True
        target = await self.targets.of(request)
        if target.plan.cors is None:
            return None
        return await answer_preflight(
            target.plan.cors,
            request,
            target.method,
            routed=target.routed,
            source=target.plan.cors_source,
        )

    async def _answer_error(
        self, request: web.Request, error: Exception, exchange: Handling
    ) -> web.StreamResponse:
        """The error handler's answer; it sees as `request.app` the application that stated it."""
        plan = exchange.plan
        assert plan.errors is not None and plan.errors_app is not None
        match_info = request.match_info
        before = match_info.current_app
        match_info.current_app = plan.errors_app
        try:
            return await plan.errors.answer(request, error, plan.place)
        except web.HTTPException as passed:
            return pass_on(request, passed, exchange.response)
        finally:
            match_info.current_app = before

    async def on_response_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """The hook: whatever leaves passes here last, also what no middleware has seen."""
        known = self.plans.by_route.get(request.match_info.route)
        if known is not None and known.is_empty:
            return
        try:
            exchange = request[HANDLING]
        except KeyError:  # no middleware has seen this request, as when its Expect is refused
            plan = self.plans.find(request.match_info, request.method, request.rel_url)
            exchange = request[HANDLING] = Handling(plan)
            exchange.secure = plan.https is not None and plan.https.is_secure(request)
        if exchange is NOTHING or exchange.response is response:
            return  # the hook of a dispatcher around this one comes first
        exchange.response = response
        if exchange.task is not None:
            exchange.response_started(response)
        plan = exchange.plan
        # Nothing is marked in answer to a preflight, nor does one that is not ours get anything.
        if (
            plan.cors is not None
            and not exchange.is_preflight
            and not plan.cors.mark_known(request, response.headers)
        ):
            allowed = await plan.cors.mark(exchange.request or request, response.headers)
            if not allowed and not exchange.refusal_logged:
                exchange.refusal_logged = True
                log_refused_origin(request, plan.cors_source, secure=exchange.secure)
        if plan.hsts:
            plan.hsts.mark(request, response.headers, secure=exchange.secure)
