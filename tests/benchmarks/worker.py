"""One measurement in a process of its own: a job as JSON on stdin, its result on stdout."""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from . import flight, growing, limits, measure
from .contenders import CONTENDERS
from .figures import Sample
from .group_list import GROUPS
from .groups import measure_group
from .growth_lines import LINES
from .scenarios import SCENARIOS


def _plain(samples: dict[str, Sample]) -> dict[str, Any]:
    return {name: asdict(sample) for name, sample in samples.items()}


def side_by_side(scenario: str, **options: Any) -> dict[str, Any]:
    """All contenders in one scenario."""
    chosen = next(known for known in SCENARIOS if known.name == scenario)
    return _plain(measure.side_by_side(chosen, CONTENDERS, **options))


def group(name: str, **options: Any) -> dict[str, Any]:
    """All applications of a group."""
    chosen = next(known for known in GROUPS if known.name == name)
    return _plain(measure_group(chosen, **options))


def growth(line: str, **options: Any) -> dict[str, Any]:
    """One line of growth at all its sizes."""
    chosen = next(known for known in LINES if known.name == line)
    return _plain(growing.measure_line(chosen, **options))


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "side_by_side": side_by_side,
    "growth": growth,
    "group": group,
    "startup": limits.startup,
    "crowd": limits.crowd,
    "memory": limits.memory,
    "held_by_routes": limits.held_by_routes,
    "held_in_flight": flight.held,
}


def main() -> None:
    """Do the job that stands on stdin."""
    # Logging is the same for everybody and the peers log more: without it they are flattered.
    logging.disable(logging.CRITICAL)
    job = json.load(sys.stdin)
    json.dump(JOBS[job.pop("job")](**job), sys.stdout)


if __name__ == "__main__":
    main()
