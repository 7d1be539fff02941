"""The budget: what routeguard may cost beside its peers, and how it may grow."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .figures import Spread
from .growing import UNSPLIT
from .growth_lines import LINES
from .results import Results

STATED = ("decorator", "rule", "fallback")
BY_HAND = {
    "https": ("X-Forwarded-Proto: https", 1.0),
    "post": ("shielded POST", 1.0),
    "error": ("an error answered as JSON", 1.3),
    "stream": ("a stream", 1.05),
}
"""Scenarios of five policies, what is asked there, and the limit of its ratio to by hand."""
STARTUP_SECONDS = 0.5
ROUTES_BYTES = 10 * 1024 * 1024
# What a run leaves behind may not depend on its length: a few pages, and no block in a thousand.
MEMORY_BYTES = 2 * 1024 * 1024
MEMORY_BLOCKS = 2_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the budget, as measured."""

    line: str
    measured: Spread
    limit: float

    @property
    def met(self) -> bool:
        """Whether the median keeps the limit."""
        return self.measured.median <= self.limit

    def __str__(self) -> str:
        word = "met   " if self.met else "MISSED"
        return f"{word} {self.line:66} {self.measured} of at most {self.limit:g}"


def verdicts(results: Results) -> Iterator[Verdict]:
    """Every line of the budget that the run has measured."""
    if get := results.scenarios.get("get"):
        for name in STATED:
            yield Verdict(
                f"five policies by {name} / written by hand",
                get[name].ratio(get["handwritten"]),
                0.75,
            )
        for name in STATED:
            yield Verdict(
                f"five policies by {name} / five aiohttp-middlewares",
                get[name].ratio(get["middlewares"]),
                0.37,
            )
        yield Verdict(
            "five policies by rule, without the fast lane / written by hand",
            get["chain"].ratio(get["handwritten"]),
            1.05,
        )
        yield Verdict(
            "five policies with an observer / without",
            get["observed"].ratio(get["fallback"]),
            1.02,
        )
        yield Verdict(
            "a route without policy / no-op middleware and receiver",
            get["none"].ratio(get["floor"]),
            1.3,
        )
    if preflight := results.scenarios.get("preflight"):
        for name in STATED:
            yield Verdict(
                f"preflight by {name} / five aiohttp-middlewares",
                preflight[name].ratio(preflight["middlewares"]),
                0.21,
            )
        for name in STATED:
            yield Verdict(
                f"preflight by {name} / aiohttp-cors alone",
                preflight[name].ratio(preflight["aiohttp-cors"]),
                0.7,
            )
    for kind, (what, limit) in BY_HAND.items():
        if scenario := results.scenarios.get(kind):
            for name in STATED:
                yield Verdict(
                    f"{what} by {name} / written by hand",
                    scenario[name].ratio(scenario["handwritten"]),
                    limit,
                )
    yield from _groups(results)
    for line in LINES:
        if line.limit is not None and (sizes := results.growth.get(line.name)):
            smallest, largest = str(line.sizes[0]), str(line.sizes[-1])
            yield Verdict(
                f"{line.title}: overhead at {largest} / at {smallest}",
                sizes[largest].ratio(sizes[smallest]),
                line.limit,
            )
        if line.of_unsplit is not None and (sizes := results.growth.get(line.name)):
            largest = str(line.sizes[-1])
            yield Verdict(
                f"{line.title}: overhead at {largest} / under one rule that does not",
                sizes[largest].ratio(sizes[UNSPLIT]),
                line.of_unsplit,
            )
    yield from _bounds(results)


def _groups(results: Results) -> Iterator[Verdict]:
    if origins := results.groups.get("origins"):
        for name, what in (
            ("wildcard", "a wildcard origin, one label"),
            ("labels", "a wildcard origin, two labels"),
            ("port", "an origin with any port"),
        ):
            yield Verdict(f"{what} / exact origins", origins[name].ratio(origins["exact"]), 1.25)
    if bodies := results.groups.get("bodies"):
        yield Verdict(
            "body on a small POST: µs over four policies in the fast lane without it",
            bodies["four, body"].above(bodies["four"]),
            2.0,
        )
    if limiting := results.groups.get("limiting"):
        yield Verdict(
            "rate_limit in memory: µs over the same route without it",
            limiting["csrf, rate_limit"].above(limiting["csrf"]),
            3.0,
        )
        yield Verdict(
            "a route with concurrency_limit / with a counter by hand in the handler",
            limiting["concurrency_limit"].ratio_of_costs(limiting["counter"]),
            1.2,
        )


def _bounds(results: Results) -> Iterator[Verdict]:
    for startup in results.startup:
        if not startup["regexes"]:
            yield Verdict(
                f"{startup['routes']} routes under {startup['rules']} rules: seconds to start",
                Spread.of([startup["with_rules"]]),
                STARTUP_SECONDS,
            )
    if held := results.held_by_routes:
        yield Verdict(
            f"{held['routes']} routes under {held['rules']} rules, each asked once: bytes held",
            Spread.of([held["added"]]),
            ROUTES_BYTES,
        )
    for memory in results.memory:
        name = f"{memory['requests']} {memory['traffic']}"
        yield Verdict(f"{name}: bytes grown", Spread.of([memory["bytes_grown"]]), MEMORY_BYTES)
        yield Verdict(f"{name}: blocks grown", Spread.of([memory["blocks_grown"]]), MEMORY_BLOCKS)


def check(results: Results) -> tuple[list[str], bool]:
    """The lines to print, and whether all of them are met."""
    lines = list(verdicts(results))
    results.budget = [asdict(verdict) | {"met": verdict.met} for verdict in lines]
    met = bool(lines) and all(verdict.met for verdict in lines)
    return [str(verdict) for verdict in lines], met
