"""``python -m tests.benchmarks``: measure, print, and write what was asked for."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from . import budget, results, sockets
from .growth_lines import LINES
from .scenarios import SCENARIOS


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="What routeguard costs beside its peers, in CPU time for each request.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer processes, rounds, sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw both plots there")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[known.name for known in (*SCENARIOS, *LINES)],
        help="one scenario or one line of growth; may be given again",
    )
    parser.add_argument("--growth", action="store_true", help="grow rules, origins, traffic")
    parser.add_argument("--limits", action="store_true", help="limits, beside their peers")
    parser.add_argument("--sockets", action="store_true", help="real sockets, loaded by wrk")
    parser.add_argument(
        "--check-budget", action="store_true", help="judge the budget; exit 1 where it is missed"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    options = parse(arguments)
    effort = results.QUICK if options.quick else results.Effort()
    found = results.Results()

    def say(text: str) -> None:
        print(text, flush=True)

    def chosen(name: str) -> bool:
        return not options.only or name in options.only

    scenarios = [scenario for scenario in SCENARIOS if chosen(scenario.name)]
    lines = [line for line in LINES if chosen(line.name)]
    growing = options.growth or options.check_budget or options.plots is not None

    if options.limits:
        results.limit(found, effort, say)
    elif options.sockets:
        default = [known for known in scenarios if options.only or known.name in sockets.DEFAULT]
        found.sockets = sockets.measure(default, effort, say)
    else:
        say("µs of CPU time for each request; overhead over the bare application, as the median")
        results.compare(found, scenarios, effort, say)
        if lines and (growing or options.only):
            results.grow(found, lines, effort, say)
        if growing and not options.only:
            results.bound(found, effort, say)
            results.limit(found, effort, say)
    met = True
    if options.check_budget:
        verdicts, met = budget.check(found)
        say("\n" + "\n".join(verdicts))
    if options.json is not None:
        options.json.write_text(json.dumps(found.as_json(), indent=1) + "\n")
    if options.plots is not None:
        from . import plots  # matplotlib is wanted for nothing else

        options.plots.mkdir(parents=True, exist_ok=True)
        plots.draw(found.as_json(), options.plots)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
