"""End to end: contenders behind real sockets, loaded by wrk, alone and behind nginx."""

import operator
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from .contenders import BASELINE, CONTENDERS, Contender
from .effort import Effort
from .figures import Spread
from .measure import WrongAnswer
from .parts import Say
from .scenarios import SCENARIOS, Scenario
from .servers import Server, behind_nginx, workers
from .wrk import Load, load, script

CONNECTIONS = 16
"""For each worker."""
ASKED = ("bare", "handwritten", "middlewares", "aiohttp-cors", "rule", "chain")
"""The contenders that are asked over sockets."""


class ProgramMissing(RuntimeError):
    """A program that the measurement needs is not installed."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What stands between wrk and the handlers."""

    name: str
    title: str
    scenarios: tuple[str, ...]
    workers: int = 1
    nginx: bool = False


SETUPS = (
    Setup("one", "one worker", ("get", "post")),
    Setup("two", "two workers that share a port", ("get",), workers=2),
    Setup("nginx", "one worker behind nginx", ("get",), nginx=True),
)


def measure(effort: Effort, say: Say, setups: Sequence[Setup] = SETUPS) -> dict[str, Any]:
    """Load every contender in short runs whose order changes; it ends after a fixed count.

    Raises:
        ProgramMissing: wrk or nginx is not installed.
        WrongAnswer: a server's answer is not right.
    """
    for program in ("wrk", "nginx"):
        if _where(program) is None:
            raise ProgramMissing(f"install {program}, or leave the sockets out")
    return {
        f"{setup.name}, {scenario.name}": _measure(setup, scenario, effort, say)
        for setup in setups
        for scenario in SCENARIOS
        if scenario.name in setup.scenarios
    }


def _where(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def _measure(setup: Setup, scenario: Scenario, effort: Effort, say: Say) -> dict[str, Any]:
    chosen = [one for one in CONTENDERS if one.name in ASKED and scenario.runs(one)]
    places, proxy_cpu, client_cpu = _places(setup.workers)
    loads: dict[str, list[Load]] = {contender.name: [] for contender in chosen}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        asking = script(scenario.request, folder)
        servers: dict[str, Server] = {}
        for contender in chosen:
            server = stack.enter_context(workers(contender, places))
            if setup.nginx:
                nginx = _where("nginx")
                assert nginx is not None
                proxied = behind_nginx(nginx, server, folder / contender.name, proxy_cpu)
                server = stack.enter_context(proxied)
            if faults := scenario.faults(contender, server.ask(scenario.request)):
                raise WrongAnswer("\n".join(faults))
            servers[contender.name] = server
        for turn in range(effort.socket_rounds):
            for contender in Random(turn).sample(chosen, len(chosen)):
                server = servers[contender.name]
                spent = load(
                    server.pids,
                    server.port,
                    asking,
                    connections=CONNECTIONS * setup.workers,
                    seconds=effort.socket_seconds,
                    cpu=client_cpu,
                )
                loads[contender.name].append(spent)
    return _table(setup, scenario, chosen, loads, say)


def _places(count: int) -> tuple[list[int | None], int | None, int | None]:
    """The processors of the workers, of nginx and of wrk; `None` for wherever there is room."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) <= count:
        return [None] * count, None, None
    return [*found[:count]], found[count], found[-1]


def _table(
    setup: Setup,
    scenario: Scenario,
    chosen: list[Contender],
    loads: dict[str, list[Load]],
    say: Say,
) -> dict[str, Any]:
    say(f"\n{scenario.title}, over real sockets, {setup.title}")
    say(
        f"{'':44}{'requests/s':>12}{'of bare':>9}{'by hand':>9}"
        f"{'p99 ms':>8}{'of bare':>9}{'by hand':>9}{'server µs':>11}{'overhead':>10}"
    )
    rows: dict[str, Any] = {}
    for contender in chosen:
        row = _row(loads[contender.name], loads[BASELINE], loads["handwritten"])
        rows[contender.name] = {"title": contender.title} | row
        say(
            f"{contender.title:44}{row['rate']:12.0f}{row['rate_of_bare']['median']:9.2f}"
            f"{row['rate_of_handwritten']['median']:9.2f}{row['p99_ms']:8.2f}"
            f"{row['p99_of_bare']['median']:9.2f}{row['p99_of_handwritten']['median']:9.2f}"
            f"{row['server_microseconds']:11.1f}{row['overhead']:10.1f}"
        )
    return {
        "title": scenario.title,
        "setup": setup.title,
        "connections": CONNECTIONS * setup.workers,
        "contenders": rows,
    }


def _row(runs: list[Load], bare: list[Load], by_hand: list[Load]) -> dict[str, Any]:
    """Medians; what is of another contender is taken turn by turn, so that pace has no part."""

    def of(reference: list[Load], name: str) -> dict[str, float]:
        value = operator.attrgetter(name)
        return asdict(
            Spread.of(list(map(operator.truediv, map(value, runs), map(value, reference))))
        )

    cpu = [load.server_microseconds for load in runs]
    return {
        "rate": statistics.median(load.rate for load in runs),
        "rate_of_bare": of(bare, "rate"),
        "rate_of_handwritten": of(by_hand, "rate"),
        "server_microseconds": statistics.median(cpu),
        "overhead": statistics.median(
            one.server_microseconds - other.server_microseconds
            for one, other in zip(runs, bare, strict=True)
        ),
        "median_ms": statistics.median(load.median_ms for load in runs),
        "p99_ms": statistics.median(load.p99_ms for load in runs),
        "p99_of_bare": of(bare, "p99_ms"),
        "p99_of_handwritten": of(by_hand, "p99_ms"),
    }
