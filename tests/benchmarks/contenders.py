"""Who is compared: name, application, and what each of them does by its nature."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from . import guarded, handwritten, peers, views


class Ability(enum.Enum):
    """Something that a contender does to a request or to its answer."""

    CORS = "CORS headers"
    STREAM_CORS = "CORS headers on a stream"
    PREFLIGHT = "preflights"
    ERRORS = "errors as JSON"
    TIMEOUT = "timeout"
    SHIELD = "shield"
    HTTPS = "https scheme"


ALL = frozenset(Ability)
NOTHING: frozenset[Ability] = frozenset()
QUIET = frozenset({"get"})


@dataclass(frozen=True, slots=True)
class Contender:
    """One application under measurement."""

    name: str
    title: str
    build: Callable[[], web.Application]
    abilities: frozenset[Ability] = ALL
    only: frozenset[str] | None = None
    """The scenarios in which it runs; `None` for all."""
    takes_chain: bool = False
    """Whether the fast lane is closed to it."""


def _with_options(app: web.Application) -> web.Application:
    # Without it an OPTIONS would take aiohttp's way to a 405, which is no baseline for anything.
    app.router.add_options("/api/report", views.options)
    return app


def bare() -> web.Application:
    """The application alone: what everybody's overhead is counted from."""
    app = views.application()
    views.add_views(app)
    return _with_options(app)


@web.middleware
async def _no_op(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def _receiver(request: web.Request, response: web.StreamResponse) -> None:
    pass


def no_op_middleware() -> web.Application:
    """One middleware that only calls on."""
    app = bare()
    app.middlewares.append(_no_op)
    return app


def no_op_pair() -> web.Application:
    """The same with a receiver on ``on_response_prepare``: the floor for late headers."""
    app = no_op_middleware()
    app.on_response_prepare.append(_receiver)
    return app


def five_middlewares() -> web.Application:
    """aiohttp-middlewares over all views."""
    app = views.application()
    views.add_views(app)
    return peers.five_middlewares(app)


PLAIN = (
    Contender("bare", "bare application", bare, NOTHING),
    Contender("no-op", "no-op middleware", no_op_middleware, NOTHING),
    Contender("floor", "no-op middleware + receiver", no_op_pair, NOTHING),
)
PEERS = (
    Contender("handwritten", "written by hand in the handler", handwritten.application),
    Contender(
        "middlewares",
        "five aiohttp-middlewares",
        five_middlewares,
        # Its middleware sets headers after the handler: too late for what was prepared inside.
        ALL - {Ability.STREAM_CORS},
    ),
    Contender(
        "aiohttp-cors",
        "aiohttp-cors alone",
        peers.aiohttp_cors_alone,
        frozenset({Ability.CORS, Ability.STREAM_CORS, Ability.PREFLIGHT}),
    ),
)
OURS = (
    Contender("decorator", "routeguard by decorator", guarded.by_decorator),
    Contender("rule", "routeguard by rule", guarded.by_rule),
    Contender("fallback", "routeguard by fallback", guarded.by_fallback),
    Contender(
        "chain",
        "routeguard by rule, without the fast lane",
        guarded.by_rule,
        takes_chain=True,
    ),
    Contender("none", "routeguard, no policy here", guarded.elsewhere, NOTHING),
    Contender("observed", "routeguard with an observer", guarded.observed, only=QUIET),
    Contender("outside", "routeguard behind a no-op middleware", guarded.outside, only=QUIET),
)
CONTENDERS = PLAIN + PEERS + OURS
BASELINE = "bare"
