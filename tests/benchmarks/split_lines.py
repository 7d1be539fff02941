"""How the cost of a request to a dynamic route grows with the number of rules that split it."""

from collections.abc import Callable

from aiohttp import web

import routeguard
from routeguard import rule, timeout

from . import guarded, views
from .asked_paths import new_ids, spread, zipf_ids
from .growing import REGEXES, Line, application
from .rule_lines import guard, regexes

SPLITTING = "rules that split a dynamic route"
SPLIT_LIMIT = 1.25


# Rules that split a dynamic route: all of `size` rules do, and the rule that governs stands beside
# them. Beside these stands one rule that governs the whole route.


def _exact_dynamic(size: int) -> web.Application:
    return guard("/users/{id}", [f"/users/{999_000_000 + n}" for n in range(size)])


def _prefix_dynamic(size: int) -> web.Application:
    return guard("/files/*", [f"/files/{999_000_000 + n}/*" for n in range(size)])


def _regex_dynamic(size: int) -> web.Application:
    return guard("/users/*", regexes("/users/9", size + 1))


def _deeper(size: int) -> web.Application:
    # The rules that split the route are those that govern what is asked for.
    app = application()
    five = guarded.five()
    rules = [rule(f"/files/{folder:07}/*", *five) for folder in range(size)]
    routeguard.setup(app, *rules, rule("/files/*", timeout(60)), timeout(views.SECONDS))
    return app


def _one_rule(resource: str) -> Callable[[], web.Application]:
    return lambda: guard(resource, [])


SPLIT_LINES = (
    Line(
        "exact-new",
        "exact rules split the route, new ids",
        SPLITTING,
        _exact_dynamic,
        new_ids("/users/{id}"),
        unsplit=_one_rule("/users/{id}"),
        of_unsplit=SPLIT_LIMIT,
    ),
    Line(
        "exact-zipf",
        "exact rules split the route, ids by Zipf",
        SPLITTING,
        _exact_dynamic,
        zipf_ids("/users/{id}"),
        unsplit=_one_rule("/users/{id}"),
        of_unsplit=SPLIT_LIMIT,
    ),
    Line(
        "prefix-new",
        "prefix rules split the route, new ids",
        SPLITTING,
        _prefix_dynamic,
        new_ids("/files/{id}/x"),
        unsplit=_one_rule("/files/{tail}"),
        of_unsplit=SPLIT_LIMIT,
    ),
    Line(
        "prefix-zipf",
        "prefix rules split the route, ids by Zipf",
        SPLITTING,
        _prefix_dynamic,
        zipf_ids("/files/{id}/x"),
        unsplit=_one_rule("/files/{tail}"),
        of_unsplit=SPLIT_LIMIT,
    ),
    # Here each request falls under a rule that splits the route, so rules look at its path.
    Line(
        "deeper-one",
        "new ids below one of the prefixes",
        SPLITTING,
        _deeper,
        new_ids("/files/0000000/{id}"),
        unsplit=_one_rule("/files/{tail}"),
    ),
    Line(
        "deeper-all",
        "new ids below all of the prefixes in turn",
        SPLITTING,
        _deeper,
        spread("/files/{folder}/{id}"),
        unsplit=_one_rule("/files/{tail}"),
    ),
    Line(
        "regex-new",
        "regex rules split the route, new ids",
        SPLITTING,
        _regex_dynamic,
        new_ids("/users/{id}"),
        REGEXES,
        unsplit=_one_rule("/users/{id}"),
    ),
    Line(
        "regex-zipf",
        "regex rules split the route, ids by Zipf",
        SPLITTING,
        _regex_dynamic,
        zipf_ids("/users/{id}"),
        REGEXES,
        unsplit=_one_rule("/users/{id}"),
    ),
)
