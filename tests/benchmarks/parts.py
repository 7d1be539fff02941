"""The parts of a run: each measures, prints, and adds to the results."""

from collections.abc import Callable, Iterable

from . import processes
from .contenders import CONTENDERS
from .effort import Effort
from .groups import Group
from .growing import UNSPLIT, Line
from .results import Results, undone
from .scenarios import Scenario

Say = Callable[[str], None]


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
            lacking = ", ".join(undone(scenario, contender.name))
            say(
                f"{contender.title:44}{figure.cost.median:9.2f}{figure.overhead.median:10.2f}"
                f"{between:>16}{figure.within:8.2f}  {lacking}"
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
