"""The one middleware that applies every policy to a request: it finds the plan and runs it."""

import asyncio
from collections.abc import Awaitable

from aiohttp import web

from routeguard.configuration import ConfigError
from routeguard.internals.expect import answer_expectation, expect_by
from routeguard.policy import Bound, Handler
from routeguard.routes.scope import Statement
from routeguard.routes.statements import stated_in
from routeguard.running.application import RUNNING, Running
from routeguard.serving.bindings import Bindings
from routeguard.serving.plan import PlanBook
from routeguard.serving.preflight_targets import Targets
from routeguard.serving.response_hook import ResponseHook
from routeguard.serving.startup_checks import opaque_middlewares
from routeguard.serving.unrouted_preflights import UnroutedPreflights

__all__ = ["Dispatcher"]


class Dispatcher:
    """What `setup` installs in an application: its middleware and its response hook."""

    __slots__ = ("bindings", "hook", "plans", "running", "unrouted")

    def __init__(self, running: Running) -> None:
        self.running: Running = running
        self.unrouted: UnroutedPreflights = UnroutedPreflights()
        self.hook: ResponseHook = ResponseHook()
        self.begin()

    def begin(self) -> None:
        """Makes ready for one run of the application, without anything of the one before."""
        self.bindings: Bindings = Bindings(self.running)
        self.plans: PlanBook = PlanBook(self.running, self.bindings, self.is_first)
        self.hook.plans = self.plans
        self.running.reach = Targets(self.plans, self.unrouted, self.is_watched).reach

    async def start(self) -> None:
        """Begins a run: binds all that is stated, and starts what lives with the application."""
        self.running.begin()
        self.begin()
        self.hook.begin(asyncio.get_running_loop())
        if self.running.part_of is not None:
            return  # an application around this one handles its requests
        beside: list[Statement] = []
        for statement in stated_in(self.running.app):
            inner = statement.app.get(RUNNING)
            if inner is not None and inner is not self.running:
                inner.part_of = self.running
            target = self.bindings.target_of(statement)
            if isinstance(target, Bound) and target.beside_handler() is not None:
                beside.append(statement)
        if faults := opaque_middlewares(self.running.app, self.handle, beside):
            raise ConfigError("routeguard", *faults)
        expect_by(self.expect, self.running.app.router)
        await self.bindings.start()

    async def stop(self) -> None:
        """Ends a run."""
        await self.bindings.stop()

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """Answers `Expect` in place of aiohttp's own handler, where a route has no other."""
        plan = self.plans.find(request.match_info, request.method, request.rel_url)
        if any(isinstance(one, Bound) and one.refuses_body(request) for one in plan.bound):
            return None
        return await answer_expectation(request)

    @web.middleware
    def handle(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        """The middleware."""
        route = request.match_info.route
        plan = self.plans.by_route.get(route)
        if plan is None:
            plan = self.plans.find_by_path(route, request)
        return plan.enter(request, handler)

    def is_first(self) -> bool:
        """Whether no other middleware or hook runs between the dispatcher's own."""
        app = self.running.app
        hook = self.hook.on_response_prepare
        return app.middlewares[0] == self.handle and app.on_response_prepare[0] == hook

    def is_watched(self) -> bool:
        """Whether others see a request before the dispatcher, or its response."""
        return not self.is_first() or len(self.running.app.on_response_prepare) > 1
