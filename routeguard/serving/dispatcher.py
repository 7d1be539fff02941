"""The one middleware that applies every policy to a request, outermost first."""

import asyncio
from functools import partial

from aiohttp import web

from routeguard.policies.around import enclose
from routeguard.policies.cors.policy import ALLOW_ORIGIN, CONTENT_TYPE, ORIGIN, VARY
from routeguard.policies.cors.preflight import is_preflight
from routeguard.policies.shield.work import ShieldedWork
from routeguard.policy import Handler
from routeguard.running.clocks import Clocks
from routeguard.running.deadlines import NO_BOUNDS, Deadline, HandlerTimeout
from routeguard.running.exchange import begun_of
from routeguard.running.started import GOING_AWAY, can_be_answered, cut_off, pass_on
from routeguard.serving.handling import AS_HANDLED, FINISHED, HANDLING, Handling
from routeguard.serving.plan import NO_POLICY, NOT_OURS, Plan, PlanBook
from routeguard.serving.preflights import Preflights
from routeguard.serving.response_hook import ResponseHook
from routeguard.serving.unrouted_preflights import UnroutedPreflights
from routeguard.websocket import is_websocket_handshake

__all__ = ["Dispatcher"]

NO_LINES: tuple[str, ...] = ()


class Dispatcher:
    """What `setup` installs in an application: its middleware, its response hook, its work."""

    __slots__ = ("_app", "clocks", "hook", "plans", "preflights", "unrouted", "work")

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self.clocks: Clocks = Clocks()
        self.plans: PlanBook = PlanBook(app, self.clocks, self._is_outermost)
        self.unrouted: UnroutedPreflights = UnroutedPreflights()
        self.preflights: Preflights = Preflights(self.plans, self.unrouted)
        self.hook: ResponseHook = ResponseHook(self.plans)
        self.work: ShieldedWork = ShieldedWork()

    def start(self) -> None:
        """Makes ready for one run of the application, in the loop that runs now."""
        self.clocks.start()
        self.plans = self.hook.plans = PlanBook(self._app, self.clocks, self._is_outermost)
        self.preflights = Preflights(self.plans, self.unrouted)

    def _is_outermost(self) -> bool:
        """Whether nobody else sees a response between the middleware and the hook."""
        middlewares, hooks = self._app.middlewares, self._app.on_response_prepare
        return middlewares[0] == self.handle and hooks[0] == self.hook.on_response_prepare

    @web.middleware
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware. Most handlers return a response before anything else happens.

        For these no more is kept than an entry with a clock, and no more is done than stands
        here: in place, as a call costs as much as what it does. The rest is `_handle_in_full`'s.
        """
        match_info = request.match_info
        plan = self.plans.by_route.get(match_info.route)
        if plan is None:
            plan = self.plans.find(match_info, request.method, request.rel_url)
            if plan is not NOT_OURS:  # a clone's path might lead the hook to another
                request[HANDLING] = Handling(plan)
        clock = plan.clock
        if clock is None:
            if plan is not NO_POLICY:
                return await self._handle_in_full(request, handler, plan)
            response = await handler(request)
            if type(response) is web.Response:
                response.__setitem__(FINISHED, request)
            return response
        asked = request.headers
        if plan.scheme_header in asked and plan.https is not None:
            clone = plan.https.rescheme(request)
            if clone is not request:
                return await self._handle_clone(clone, handler, request)
        if handler is plan.proxy and plan.proxied is not None:
            handler = plan.proxied
        key = id(match_info)  # which all clones of the request share, and no other request has
        queue = clock.queue
        when = clock.now() + clock.seconds
        queue[key] = (when, asyncio.current_task(clock.loop))
        if clock.timer is None:
            clock.arm(when)
        deadline = None
        try:
            try:
                response = await handler(request)
            finally:
                if clock.unusual:
                    deadline = clock.leave(key)
                else:  # then nothing else has taken the key out
                    del queue[key]
                    if not queue:
                        clock.disarm()
        except (Exception, asyncio.CancelledError) as error:
            response = await self._answer_failure(request, error, plan, deadline)
        # Others may change their headers as they are prepared, or have been prepared already.
        if type(response) is web.Response and deadline is None:
            headers = response.headers
            lines = asked.getall(ORIGIN, NO_LINES)
            if (
                len(lines) == 1
                and lines[0] in plan.plain_origins
                and len(headers) == 1
                and CONTENT_TYPE in headers
            ):
                headers[VARY] = "Origin"
                headers[ALLOW_ORIGIN] = lines[0]
            elif not (
                plan.cors is None or response.prepared or plan.cors.mark_known(request, headers)
            ):
                await self.hook.examine(request, response, plan)
            response.__setitem__(FINISHED, request)
        return response

    async def _handle_clone(
        self, clone: web.Request, handler: Handler, received: web.Request
    ) -> web.StreamResponse:
        """Handles a request whose scheme has been changed in its place."""
        try:
            response = await self.handle(clone, handler)
        finally:
            _keep_state(clone, received)
        if type(response) is web.Response and response.get(FINISHED) is clone:
            response[FINISHED] = received
        return response

    async def _answer_failure(
        self,
        request: web.Request,
        error: Exception | asyncio.CancelledError,
        plan: Plan,
        deadline: Deadline | None,
    ) -> web.StreamResponse:
        """Answers what ended a handler that nothing but a clock and this dispatcher knew of."""
        if deadline is not None:
            self.hook.exchange(request, plan).deadline = deadline
        if isinstance(error, asyncio.CancelledError):
            if deadline is None or not deadline.timed_out:
                raise error
            error = await _timeout(request, deadline, error)
        return await self._answer_error(request, error, plan)

    async def _handle_in_full(
        self, request: web.Request, handler: Handler, plan: Plan
    ) -> web.StreamResponse:
        """https, preflights, errors, csrf and own kinds; `_run` does the rest."""
        if plan is NOT_OURS:
            return await handler(request)
        exchange = request[HANDLING] = Handling(plan)
        received = request
        if plan.https is not None and plan.https.concerns(request):
            request = plan.https.rescheme(request)
            exchange.secure = request.secure
            if plan.https.redirect and not request.secure:
                plan.https.demand(request)
        if plan.options and is_preflight(request):
            exchange.is_preflight = True
            answer = await self.preflights.answer(request)
            if answer is not None:
                if plan.hsts is None:
                    answer.__setitem__(FINISHED, received)
                return answer
        try:
            if plan.around:
                run = enclose(plan.around, lambda inner: self._run(inner, handler, exchange))
                response = await run(request)
            else:
                response = await self._run(request, handler, exchange)
        except Exception as error:
            response = await self._answer_error(request, error, plan)
        finally:
            if request is not received:
                _keep_state(request, received)
        if plan.is_marked_last and type(response) is web.Response and not response.prepared:
            await self.hook.mark(request, response, plan, exchange)
            response.__setitem__(FINISHED, received)
        return response

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
        deadline = Deadline(plan.bounds, asyncio.current_task(self.clocks.loop))
        if exchange.deadline is not None:
            deadline.response = exchange.deadline.response
            deadline.refusal_logged = exchange.deadline.refusal_logged
        exchange.deadline = deadline
        for clock in plan.bounds.running:
            clock.add(deadline)
        try:
            try:
                return await handler(request)
            finally:
                for clock in plan.bounds.running:
                    clock.discard(deadline)
                deadline.undo()
        except asyncio.CancelledError as error:
            if not deadline.timed_out:
                raise
            raise await _timeout(request, deadline, error) from error

    async def _answer_error(
        self, request: web.Request, error: Exception, plan: Plan
    ) -> web.StreamResponse:
        """The error handler's answer; it sees as `request.app` the application that stated it."""
        if plan.errors is None or plan.errors_app is None:
            return pass_on(request, error, begun_of(request))
        match_info = request.match_info
        before = match_info.current_app
        match_info.current_app = plan.errors_app
        try:
            return await plan.errors.answer(request, error, plan.place)
        except web.HTTPException as passed:
            return pass_on(request, passed, begun_of(request))
        finally:
            match_info.current_app = before


def _keep_state(clone: web.Request, received: web.Request) -> None:
    """What was stored on a clone, where hooks find it: they see the request that aiohttp made."""
    for key in clone:
        received[key] = clone[key]
    received[AS_HANDLED] = clone


async def _timeout(
    request: web.Request, deadline: Deadline, cancellation: asyncio.CancelledError
) -> HandlerTimeout:
    """The error for a bound that was passed; what cannot be answered any more is cut off."""
    if not can_be_answered(request, deadline.response):
        await cut_off(request, deadline.response, GOING_AWAY)
    timeout = deadline.timeout()
    timeout.__cause__ = cancellation
    return timeout
