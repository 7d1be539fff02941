"""What limits cost: `rate_limit` and `concurrency_limit` beside their peers, in one process."""

import itertools
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from routeguard import Policy, concurrency_limit, csrf, rate_limit

from . import guarded, views
from .contenders import bare
from .groups import Build, Entry, Group, answers, guarded_by, ordinary

KEYS = [f"192.0.2.{number}" for number in range(100)]
"""The clients that take turns; the requests of the warm-up are more, so limits know all of them."""

RATE = "1000/second"
"""A rate that no client comes near, so that nobody is refused and all answers are of one size."""


def _key() -> Callable[[web.Request], str]:
    keys = itertools.cycle(KEYS)
    return lambda request: next(keys)


def _views(report: Handler) -> web.Application:
    app = views.application()
    for method, path, view in views.VIEWS:
        app.router.add_route(method, path, report if view is views.report else view)
    return app


def _with(*policies: Policy) -> web.Application:
    return guarded_by(_views(views.report), *policies)


def by_hand() -> web.Application:
    """A counter in the handler, as a careful developer writes it."""
    running = 0

    async def report(request: web.Request) -> web.StreamResponse:
        nonlocal running
        if running >= 100:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})
        running += 1
        try:
            return await views.report(request)
        finally:
            running -= 1

    return _views(report)


def five_by_hand() -> web.Application:
    """The same counter in a handler of an application with five policies."""
    return guarded_by(by_hand(), *guarded.five())


def fields_by_hand() -> web.Application:
    """Nothing is limited; the handler writes the two header fields that clients are told by."""
    counts = itertools.cycle(range(100, 1000))  # answers are of one size

    async def report(request: web.Request) -> web.StreamResponse:
        response = await views.report(request)
        response.headers["RateLimit-Policy"] = '"1000/second";q=1000;w=1'
        response.headers["RateLimit"] = f'"1000/second";r={next(counts)};t=1'
        return response

    return guarded_by(_views(report), csrf())


def limits_library() -> web.Application:
    """`limits` with its moving window in memory, in a middleware; it writes no header fields."""
    from limits import parse
    from limits.aio.storage import MemoryStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(MemoryStorage())
    rate, key = parse(RATE), _key()

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not await limiter.hit(rate, key(request)):
            raise web.HTTPTooManyRequests
        return await handler(request)

    app = bare()
    app.middlewares.append(limited)
    return app


def aiohttp_ratelimiter() -> web.Application:
    """`aiohttp-ratelimiter`, which decorates the handler; it writes no header fields."""
    from aiohttplimiter import Limiter

    limiter = Limiter(keyfunc=_key())
    limited: Handler = limiter.limit(RATE)(views.report)
    return _views(limited)


_fine = answers(200, views.REPORT)


def _entry(title: str, build: Build, like: str | None = None) -> Entry:
    return Entry(title, build, ordinary, _fine, like)


LIMITING = Group(
    "limiting",
    f"GET of a JSON document under a limit, {len(KEYS)} clients taking turns",
    {
        "bare": _entry("bare application", bare),
        "csrf": _entry("routeguard, csrf", lambda: _with(csrf())),
        "rate_limit": _entry("routeguard, rate_limit", lambda: _with(rate_limit(RATE, key=_key()))),
        "csrf, rate_limit": _entry(
            "routeguard, csrf and rate_limit",
            lambda: _with(csrf(), rate_limit(RATE, key=_key())),
        ),
        "csrf, fields": _entry("routeguard, csrf; two header fields by hand", fields_by_hand),
        "five": _entry("routeguard, five policies, in the fast lane", guarded.by_fallback),
        "five, rate_limit": _entry(
            "routeguard, five policies and rate_limit",
            lambda: _with(*guarded.five(), rate_limit(RATE, key=_key())),
        ),
        "limits": _entry("limits in a middleware", limits_library),
        "aiohttp-ratelimiter": _entry("aiohttp-ratelimiter", aiohttp_ratelimiter),
        "counter": _entry("a counter by hand in the handler", by_hand, "concurrency_limit"),
        "concurrency_limit": _entry(
            "routeguard, concurrency_limit", lambda: _with(concurrency_limit(100))
        ),
        "five, counter": _entry("routeguard, five policies; a counter by hand", five_by_hand),
        "five, concurrency_limit": _entry(
            "routeguard, five policies and concurrency_limit",
            lambda: _with(*guarded.five(), concurrency_limit(100)),
        ),
    },
)
