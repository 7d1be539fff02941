"""How the cost of a request grows with the number of rules."""

import itertools
import re
from collections.abc import Iterable

from aiohttp import web

import routeguard
from routeguard import rule, timeout

from . import guarded, peers, views
from .growing import REGEXES, Line, application
from .scenarios import compose

RULES = "rules"
STATIC_LIMIT = 1.05


def _canonical(size: int) -> Iterable[bytes]:
    return itertools.repeat(compose("GET", "/reports/7"))


def guard(governing: str, others: Iterable[str | re.Pattern[str]]) -> web.Application:
    """Five policies for what is asked, below rules that govern something else."""
    # The fallback is for the requests that are only in flight.
    app = application()
    rules = [rule(other, timeout(60)) for other in others]
    routeguard.setup(app, *rules, rule(governing, *guarded.five()), timeout(views.SECONDS))
    return app


def _exact(size: int) -> web.Application:
    return guard("/api/report", [f"/other/{n}" for n in range(size - 1)])


def _prefix(size: int) -> web.Application:
    return guard("/api/*", [f"/other{n}/*" for n in range(size - 1)])


def _by_resource(size: int) -> web.Application:
    return guard("/reports/{id}", [f"/other{n}/{{id}}" for n in range(size - 1)])


def regexes(prefix: str, size: int) -> list[re.Pattern[str]]:
    """One regex less than ``size``, none of which matches what is asked."""
    return [re.compile(rf"{prefix}{n}/\d+/details$") for n in range(size - 1)]


def _regex(size: int) -> web.Application:
    return guard("/api/*", regexes("/other", size))


def _middlewares_exact(size: int) -> web.Application:
    others = [f"/other/{n}" for n in range(size - 1)]
    return peers.five_patterned(application(), others, "/api/report")


def _middlewares_regex(size: int) -> web.Application:
    return peers.five_patterned(application(), regexes("/other", size), "/api/report")


RULE_LINES = (
    Line("exact", "exact rules", RULES, _exact, limit=STATIC_LIMIT),
    Line("prefix", "prefix rules", RULES, _prefix, limit=STATIC_LIMIT),
    Line("canonical", "canonical rules", RULES, _by_resource, _canonical, limit=STATIC_LIMIT),
    Line("regex", "regex rules", RULES, _regex, sizes=REGEXES, limit=STATIC_LIMIT),
    Line("middlewares-exact", "aiohttp-middlewares, exact patterns", RULES, _middlewares_exact),
    Line(
        "middlewares-regex",
        "aiohttp-middlewares, regexes",
        RULES,
        _middlewares_regex,
        sizes=REGEXES,
    ),
)
