"""A whole run: which measurements were asked for, what came out, and how it prints."""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import processes
from .contenders import CONTENDERS
from .figures import Figure
from .group_list import GROUPS
from .groups import Group
from .growing import UNSPLIT, Line
from .growth_lines import LINES
from .scenarios import SCENARIOS, Scenario

PACKAGES = ("aiohttp", "yarl", "wrapt", "multidict", "aiohttp-middlewares", "aiohttp-cors")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: in about a quarter of an hour, or with ``QUICK`` in four minutes."""

    processes: int = 5
    rounds: int = 120
    growth_processes: int = 5
    shown_processes: int = 2
    """For the lines of growth that the budget does not judge."""
    growth_rounds: int = 100
    sizes: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)
    crowd: int = 10_000
    flood: int = 100_000
    requests: int = 1_000_000
    routes: int = 10_000
    flight: int = 500
    socket_seconds: int = 2
    socket_rounds: int = 3


QUICK = Effort(
    processes=2,
    rounds=50,
    growth_processes=1,
    shown_processes=1,
    growth_rounds=25,
    sizes=(1, 100, 10_000),
    crowd=2_000,
    flood=20_000,
    requests=50_000,
    flight=100,
    socket_seconds=1,
    socket_rounds=2,
)


@dataclass(slots=True)
class Results:
    """Everything that one run measured."""

    pace: float | None = None
    """What a bare GET costs at the pace that all figures are told at: the first measurement's."""
    scenarios: dict[str, dict[str, Figure]] = field(default_factory=dict)
    growth: dict[str, dict[str, Figure]] = field(default_factory=dict)
    startup: list[dict[str, Any]] = field(default_factory=list)
    crowd: dict[str, Any] = field(default_factory=dict)
    memory: list[dict[str, Any]] = field(default_factory=list)
    sockets: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Figure]] = field(default_factory=dict)
    held_by_routes: dict[str, Any] = field(default_factory=dict)
    held_in_flight: dict[str, Any] = field(default_factory=dict)
    budget: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain data, with the environment that it was measured in."""
        return {
            "environment": environment(),
            "unit": "microseconds of CPU time for each request",
            "pace": self.pace,
            "scenarios": {
                scenario.name: {
                    "title": scenario.title,
                    "note": scenario.note,
                    "contenders": {
                        contender.name: {
                            "title": contender.title,
                            "leaves_undone": _undone(scenario, contender.name),
                            **self.scenarios[scenario.name][contender.name].as_json(),
                        }
                        for contender in CONTENDERS
                        if contender.name in self.scenarios[scenario.name]
                    },
                }
                for scenario in SCENARIOS
                if scenario.name in self.scenarios
            },
            "growth": {
                line.name: {
                    "title": line.title,
                    "panel": line.panel,
                    "sizes": {
                        size: figure.as_json() for size, figure in self.growth[line.name].items()
                    },
                }
                for line in LINES
                if line.name in self.growth
            },
            "startup": self.startup,
            "crowd": self.crowd,
            "memory": self.memory,
            "sockets": self.sockets,
            "groups": {
                group.name: {
                    "title": group.title,
                    "entries": {
                        name: {
                            "title": group.entries[name].title,
                            "like": group.entries[name].like,
                            **figure.as_json(),
                        }
                        for name, figure in self.groups[group.name].items()
                    },
                }
                for group in GROUPS
                if group.name in self.groups
            },
            "held_by_routes": self.held_by_routes,
            "held_in_flight": self.held_in_flight,
            "budget": self.budget,
        }


def environment() -> dict[str, str]:
    """What the figures depend on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "cpu": cpu} | versions


def _undone(scenario: Scenario, name: str) -> list[str]:
    contender = next(known for known in CONTENDERS if known.name == name)
    return sorted(ability.value for ability in scenario.lacks(contender))


def compare(results: Results, scenarios: Iterable[Scenario], effort: Effort, say: Say) -> None:
    """Time all contenders in each scenario and print a table for each."""
    for scenario in scenarios:
        figures, results.pace = processes.run_samples(
            "side_by_side",
            processes=effort.processes,
            pace=results.pace,
            scenario=scenario.name,
            rounds=effort.rounds,
        )
        results.scenarios[scenario.name] = figures
        say(f"\n{scenario.title}")
        if scenario.note:
            say(scenario.note)
        say(f"{'':44}{'request':>9}{'overhead':>10}{'processes':>16}{'within':>8}  leaves undone")
        for contender in CONTENDERS:
            if not scenario.runs(contender):
                continue
            figure = figures[contender.name]
            between = f"{figure.overhead.low:.2f}-{figure.overhead.high:.2f}"
            undone = ", ".join(_undone(scenario, contender.name))
            say(
                f"{contender.title:44}{figure.cost.median:9.2f}{figure.overhead.median:10.2f}"
                f"{between:>16}{figure.within:8.2f}  {undone}"
            )


def group(results: Results, groups: Iterable[Group], effort: Effort, say: Say) -> None:
    """Time the applications of each group beside each other and print a table for each."""
    for one in groups:
        figures, results.pace = processes.run_samples(
            "group",
            processes=effort.processes,
            pace=results.pace,
            name=one.name,
            rounds=effort.rounds,
        )
        results.groups[one.name] = {name: figures[name] for name in one.entries}
        say(f"\n{one.title}")
        say(f"{'':48}{'request':>9}{'overhead':>10}{'processes':>16}")
        for name, entry in one.entries.items():
            figure = figures[name]
            between = f"{figure.overhead.low:.2f}-{figure.overhead.high:.2f}"
            say(
                f"{entry.title:48}{figure.cost.median:9.2f}{figure.overhead.median:10.2f}"
                f"{between:>16}"
            )


def grow(results: Results, lines: Iterable[Line], effort: Effort, say: Say) -> None:
    """Measure the lines of growth, one table row each."""
    say("\nOverhead by number of rules or origins")
    for line in lines:
        sizes = [size for size in effort.sizes if size in line.sizes]
        if line.sizes[-1] not in sizes:
            sizes.append(line.sizes[-1])
        figures, results.pace = processes.run_samples(
            "growth",
            processes=effort.growth_processes if line.judged else effort.shown_processes,
            pace=results.pace,
            line=line.name,
            sizes=sizes,
            rounds=effort.growth_rounds,
        )
        results.growth[line.name] = figures
        names = [*([UNSPLIT] if line.unsplit else []), *map(str, sizes)]
        row = "".join(f"{name:>9}: {figures[name].overhead.median:.2f}" for name in names)
        say(f"{line.title:44}{row}")


def bound(results: Results, effort: Effort, say: Say) -> None:
    """Measure what must not grow: start-up, a crowd in flight, memory."""
    for rules, regexes in ((1_000, 0), (1_000, 100)):
        figure = processes.run_job("startup", routes=10_000, rules=rules, regexes=regexes)
        results.startup.append(figure)
        say(
            f"\n10,000 routes under {rules} rules ({regexes} regexes) start in"
            f" {figure['with_rules']:.3f} s; without routeguard {figure['bare']:.3f} s"
        )
    results.crowd = processes.run_job("crowd", requests=effort.crowd)
    say(f"\n{effort.crowd} requests in flight at once")
    for name, row in results.crowd["contenders"].items():
        say(
            f"{name:16}{row['cost']:8.2f} each, {row['timers_armed']} timers armed,"
            f" {row['timers_standing']} standing"
        )
    say("")
    for traffic, requests in (
        ("flood of 404s", effort.flood),
        ("flood on a dynamic route", effort.flood),
        ("requests", effort.requests),
    ):
        figure = processes.run_job("memory", traffic=traffic, requests=requests)
        results.memory.append(figure)
        say(
            f"memory after {figure['requests']} ({traffic}): {figure['bytes_grown']:+d} bytes,"
            f" {figure['blocks_grown']:+d} blocks since the first fifth"
        )


def hold(results: Results, effort: Effort, say: Say) -> None:
    """Measure the memory that routes hold, and requests in flight."""
    routes = processes.run_job("held_by_routes", routes=effort.routes, rules=effort.routes // 10)
    results.held_by_routes = routes
    say(
        f"\n{routes['routes']} routes under {routes['rules']} rules, each asked for once, hold"
        f" {routes['added'] / 2**20:.1f} MiB more than without routeguard"
    )
    flights = processes.run_job("held_in_flight", requests=effort.flight)
    results.held_in_flight = flights
    say(f"\nBytes that each of {flights['requests']} POST requests in flight holds")
    for one in flights["flights"].values():
        say(f"{one['title']:56}{one['bytes']:8.0f}{one['added']:+8.0f}")
