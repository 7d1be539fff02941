"""How the cost of a request grows with the number of rules and of origins: the lines measured."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from aiohttp import web

import routeguard
from routeguard import rule, timeout

from . import contenders, guarded, measure, peers, views
from .contenders import ALL, Contender
from .figures import Sample
from .lane import Lane
from .scenarios import SCENARIOS, compose
from .transport import Answer

SIZES = (1, 10, 100, 1_000, 10_000)
REGEXES = (1, 10, 100, 1_000)
USERS = 64

Build = Callable[[int], web.Application]


def application() -> web.Application:
    """Static and dynamic routes that all answer the same document."""
    app = views.application()
    app.router.add_get("/api/parked", views.parked)
    for path in ("/api/report", "/reports/{id}", "/users/{id}", "/files/{tail:.*}"):
        app.router.add_get(path, views.report)
    return app


def _static() -> Iterable[bytes]:
    return itertools.repeat(compose("GET", "/api/report"))


def _canonical() -> Iterable[bytes]:
    return itertools.repeat(compose("GET", "/reports/7"))


def _users() -> Iterable[bytes]:
    return itertools.cycle([compose("GET", f"/users/{user:08d}") for user in range(USERS)])


def _files() -> Iterable[bytes]:
    return itertools.cycle([compose("GET", f"/files/{name:08d}/x") for name in range(USERS)])


def _strangers() -> Iterable[bytes]:
    return (compose("GET", f"/users/{user:08d}") for user in itertools.count())


def _guard(governing: str, others: Iterable[str | re.Pattern[str]]) -> web.Application:
    # The rule that governs comes last; the fallback is for the requests that are only in flight.
    app = application()
    rules = [rule(other, timeout(60)) for other in others]
    routeguard.setup(app, *rules, rule(governing, *guarded.five()), timeout(views.SECONDS))
    return app


def _exact(size: int) -> web.Application:
    return _guard("/api/report", [f"/other/{n}" for n in range(size - 1)])


def _prefix(size: int) -> web.Application:
    return _guard("/api/*", [f"/other{n}/*" for n in range(size - 1)])


def _by_resource(size: int) -> web.Application:
    return _guard("/reports/{id}", [f"/other{n}/{{id}}" for n in range(size - 1)])


def _regexes(prefix: str, size: int) -> list[re.Pattern[str]]:
    return [re.compile(rf"{prefix}{n}/\d+/details$") for n in range(size - 1)]


def _regex(size: int) -> web.Application:
    return _guard("/api/*", _regexes("/other", size))


# A dynamic route that one rule splits has its plans by path. So here all of `size` rules split it,
# from the first on, and the rule that governs stands beside them.


def _exact_dynamic(size: int) -> web.Application:
    return _guard("/users/{id}", [f"/users/{10_000_000 + n}" for n in range(size)])


def _prefix_dynamic(size: int) -> web.Application:
    return _guard("/files/*", [f"/files/{10_000_000 + n}/*" for n in range(size)])


def _regex_dynamic(size: int) -> web.Application:
    return _guard("/users/*", _regexes("/users/9", size + 1))


def _middlewares_exact(size: int) -> web.Application:
    others = [f"/other/{n}" for n in range(size - 1)]
    return peers.five_patterned(application(), others, "/api/report")


def _middlewares_regex(size: int) -> web.Application:
    return peers.five_patterned(application(), _regexes("/other", size), "/api/report")


def _origins(size: int) -> web.Application:
    others = (f"https://tenant{n}.example.net" for n in range(size - 1))
    app = application()
    routeguard.setup(app, *guarded.five(*others, views.ORIGIN))
    return app


def _wildcards(size: int) -> web.Application:
    others = (f"https://*.tenant{n}.example.net" for n in range(size - 1))
    app = application()
    routeguard.setup(app, *guarded.five(*others, "https://*.example.com"))
    return app


def _middlewares_origins(size: int) -> web.Application:
    others = [f"https://tenant{n}.example.net" for n in range(size - 1)]
    return peers.five_middlewares(application(), [*others, views.ORIGIN])


def _middlewares_wildcards(size: int) -> web.Application:
    others = [re.compile(rf"https://[^.]+\.tenant{n}\.example\.net$") for n in range(size - 1)]
    wanted = re.compile(r"https://[^.]+\.example\.com$")
    return peers.five_middlewares(application(), [*others, wanted])


def _aiohttp_cors(size: int) -> web.Application:
    others = [f"https://tenant{n}.example.net" for n in range(size - 1)]
    return peers.aiohttp_cors_alone([*others, views.ORIGIN])


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot: an application of a given size, and what it is asked."""

    name: str
    title: str
    panel: str
    build: Build
    requests: Callable[[], Iterable[bytes]] = _static
    sizes: tuple[int, ...] = SIZES
    limit: float | None = None
    """The most that the overhead may grow from the smallest size to the largest."""

    @property
    def ours(self) -> bool:
        """Whether this is routeguard, not a peer."""
        return not self.title.startswith("aiohttp-")


RULES, ORIGINS = "rules", "origins"
STATIC_LIMIT, DYNAMIC_LIMIT, ORIGIN_LIMIT = 1.05, 1.25, 1.05

LINES = (
    Line("exact", "exact rules", RULES, _exact, limit=STATIC_LIMIT),
    Line("prefix", "prefix rules", RULES, _prefix, limit=STATIC_LIMIT),
    Line("canonical", "canonical rules", RULES, _by_resource, _canonical, limit=STATIC_LIMIT),
    Line("regex", "regex rules", RULES, _regex, sizes=REGEXES, limit=STATIC_LIMIT),
    Line(
        "exact-dynamic",
        "exact rules, dynamic route",
        RULES,
        _exact_dynamic,
        _users,
        limit=DYNAMIC_LIMIT,
    ),
    Line(
        "prefix-dynamic",
        "prefix rules, dynamic route",
        RULES,
        _prefix_dynamic,
        _files,
        limit=DYNAMIC_LIMIT,
    ),
    Line(
        "regex-dynamic",
        "regex rules, dynamic route",
        RULES,
        _regex_dynamic,
        _users,
        REGEXES,
        limit=DYNAMIC_LIMIT,
    ),
    # Each path is asked for once and never again, so that nothing remembered can help.
    Line(
        "regex-strangers",
        "regex rules, paths never seen before",
        RULES,
        _regex_dynamic,
        _strangers,
        REGEXES,
    ),
    Line("middlewares-exact", "aiohttp-middlewares, exact patterns", RULES, _middlewares_exact),
    Line(
        "middlewares-regex",
        "aiohttp-middlewares, regexes",
        RULES,
        _middlewares_regex,
        sizes=REGEXES,
    ),
    Line("origins", "exact origins", ORIGINS, _origins, limit=ORIGIN_LIMIT),
    Line("wildcards", "wildcard origins", ORIGINS, _wildcards, limit=ORIGIN_LIMIT),
    Line(
        "middlewares-origins",
        "aiohttp-middlewares, exact origins",
        ORIGINS,
        _middlewares_origins,
    ),
    Line(
        "middlewares-wildcards",
        "aiohttp-middlewares, a regex each",
        ORIGINS,
        _middlewares_wildcards,
    ),
    Line("aiohttp-cors-origins", "aiohttp-cors alone, exact origins", ORIGINS, _aiohttp_cors),
)


def faults(line: Line, size: int, answer: Answer) -> list[str]:
    """What is wrong with the answer of a line's application of that size."""
    entrant = Contender(f"{line.name} {size}", line.title, partial(line.build, size), ALL)
    return SCENARIOS[0].faults(entrant, answer)


def measure_line(line: Line, *, sizes: Sequence[int], rounds: int, seed: int) -> dict[str, Sample]:
    """All sizes of one line and the bare application, interleaved in this process.

    Raises:
        measure.WrongAnswer: an answer at some size is not right.
    """
    lanes = {measure.YARDSTICK: measure.yardstick()}
    lanes[contenders.BASELINE] = Lane(application, line.requests())
    try:
        for size in Random(seed).sample(sizes, len(sizes)):
            lane = lanes[str(size)] = Lane(partial(line.build, size), line.requests())
            if found := faults(line, size, lane.answer):
                raise measure.WrongAnswer("\n".join(found))
        return measure.time_lanes(lanes, rounds=rounds, seed=seed)
    finally:
        for lane in lanes.values():
            lane.close()
