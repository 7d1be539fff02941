"""`setup`: the dispatcher and its shutdown put into an application, and its mistakes found."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_app import Application

from routeguard.configuration import ConfigError, Faults, read_seconds, shown
from routeguard.internals.probe import probe
from routeguard.policy import Policy
from routeguard.routes.rules import Rule, RuleIndex, check_policies
from routeguard.routes.scope import SCOPE, Mount, Scope
from routeguard.running.application import RUNNING, Running
from routeguard.running.events import OBSERVERS, Observer
from routeguard.serving.dispatcher import Dispatcher
from routeguard.serving.observing import check_observers
from routeguard.serving.outside import Outside, check_outside
from routeguard.serving.shutdown import Shutdown
from routeguard.serving.startup_checks import misused_handlers, unmatched_rules

__all__ = ["setup"]

logger: logging.Logger = logging.getLogger("routeguard")


def setup(
    app: web.Application,
    *entries: Rule | Policy,
    drain: float | timedelta = 30.0,
    outside: Sequence[Middleware] = (),
    observers: Sequence[Observer] = (),
) -> None:
    """Installs routeguard in an application.

    The dispatcher becomes the outermost of the application's middlewares: an authentication
    middleware must not answer 401 to a preflight. Call it before the application is served or
    mounted; routes and middlewares may be added before and after.

    Args:
        app: the application.
        entries: rules, which are tried in the order given, and policies, which are the
            fallbacks for all that no rule or decorator speaks of.
        drain: for how many seconds shutdown waits for shielded work (int, float or
            `timedelta`), from its beginning; 0 cancels it at once. Default: 30.
        outside: middlewares that must see everything (tracing, metrics, request ids): they stand
            in front of the dispatcher in this order, once, whether or not they are in the
            application's list as well, and wherever they stand there. OpenTelemetry's middleware
            is recognised and stands in front of these. Default: none.
        observers: callables that are told, with an `Event`, what policies do to requests; they
            are called, not awaited. One that raises is logged once. Default: none.

    Raises:
        ConfigError: an entry is neither rule nor policy, a fallback is stated twice, `drain` is
            no time, `outside` holds what is no middleware, `observers` what cannot be called;
            the application is set up already, or is being served or mounted. At
            start-up: a handler on which a policy was written without its parentheses, or whose
            policies are hidden under a decorator that sets no `__wrapped__`.
    """
    faults = Faults("setup(...)")
    if not isinstance(app, Application):
        raise ConfigError(f"setup({shown(app)}): the first argument is the web.Application")
    if SCOPE in app:
        faults.add("the application is set up already: give all rules and policies to one setup")
    elif app.frozen or app.pre_frozen:
        faults.add("the application is served or mounted already: call setup before that")
    rules = [entry for entry in entries if isinstance(entry, Rule)]
    fallbacks = [entry for entry in entries if not isinstance(entry, Rule)]
    check_policies(fallbacks, faults)
    seconds = read_seconds("drain", drain, faults, none=None, zero=True)
    in_front = check_outside(outside, faults)
    told = check_observers(observers, faults)
    faults.raise_any()
    policies = tuple(entry for entry in fallbacks if isinstance(entry, Policy))
    if told:
        app[OBSERVERS] = told
    _install(app, Scope(app, RuleIndex(rules), policies, Mount()), seconds or 0.0, in_front)


def _install(
    app: web.Application, scope: Scope, drain: float, in_front: tuple[Middleware, ...]
) -> None:
    running = Running(app, drain)
    dispatcher = Dispatcher(running)
    shutdown = Shutdown(running)
    app[SCOPE] = scope
    app[RUNNING] = running
    app.router.register_resource(scope.mount)
    app.router.register_resource(dispatcher.unrouted)

    outside = Outside(app, dispatcher.handle, in_front)
    scope.mount.when_mounted = scope.mount.when_frozen = outside.arrange

    async def start(app: web.Application) -> None:
        outside.arrange()
        if faults := [*misused_handlers(app), *await probe(app)]:
            raise ConfigError("routeguard", *faults)
        for position, rule in unmatched_rules(scope):
            logger.warning('rule %d "%s" matches no route', position + 1, rule)
        shutdown.prepare()
        await dispatcher.start()

    async def finish(app: web.Application) -> None:
        await shutdown.finish(app)
        for service in running.services:
            await service.stop()
        await dispatcher.stop()

    app.on_response_prepare.append(dispatcher.hook.on_response_prepare)
    # In front of the application's own, cleanup_ctx among them: the database must outlive what
    # still writes to it.
    app.on_startup.insert(0, start)
    app.on_shutdown.insert(0, shutdown.begin)
    app.on_cleanup.insert(0, finish)
