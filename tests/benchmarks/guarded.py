"""routeguard as a contender: the same five policies by decorator, by rule and by fallback."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

import routeguard
from routeguard import Policy, cors, errors, https, rule, shield, timeout
from routeguard.serving import fast_lane

from . import views


def five(*origins: str) -> tuple[Policy, ...]:
    """The five policies, the same for every way of stating them."""
    return (
        cors(origins or views.ORIGINS, max_age=views.MAX_AGE),
        errors(),
        timeout(views.SECONDS),
        shield(methods=views.SHIELDED_METHODS),
        https(),
    )


def by_decorator() -> web.Application:
    """Each handler carries the five."""
    app = views.application()
    for method, path, view in views.VIEWS:
        handler = view
        for policy in five():
            handler = policy(handler)
        app.router.add_route(method, path, handler)
    routeguard.setup(app)
    return app


def by_rule() -> web.Application:
    """One rule states the five for everything below ``/api/``."""
    app = views.application()
    views.add_views(app)
    routeguard.setup(app, rule("/api/*", *five()))
    return app


def by_fallback() -> web.Application:
    """The five are the application's fallbacks."""
    app = views.application()
    views.add_views(app)
    routeguard.setup(app, *five())
    return app


def _nothing(event: routeguard.Event) -> None:
    """An observer."""


def observed() -> web.Application:
    """The five as fallbacks, and an observer, who hears nothing of what is asked."""
    app = views.application()
    views.add_views(app)
    routeguard.setup(app, *five(), observers=[_nothing])
    return app


@web.middleware
async def _passes(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


def outside() -> web.Application:
    """The five as fallbacks, behind a middleware that only calls on."""
    app = views.application()
    views.add_views(app)
    routeguard.setup(app, *five(), outside=[_passes])
    return app


def elsewhere() -> web.Application:
    """The five govern other routes; the one that is asked for has no policy."""
    app = views.application()
    views.add_views(app)
    app.router.add_get("/tenants/{tenant}/report", views.report)
    routeguard.setup(app, rule("/other/*", *five()), rule("/tenants/{tenant}/report", *five()))
    return app


@contextmanager
def fast_lane_closed() -> Iterator[None]:
    """Closes the fast lane to routes that are asked for the first time meanwhile.

    What serves a route is decided at its first request, and kept. So an application takes the
    chain for good on each route that is first asked for in here; others of the same process do
    not notice.
    """
    was_open, fast_lane.IS_OPEN = fast_lane.IS_OPEN, False
    try:
        yield
    finally:
        fast_lane.IS_OPEN = was_open
