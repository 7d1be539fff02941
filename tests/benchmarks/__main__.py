"""``python -m tests.benchmarks``: measure, print, and write what was asked for."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from . import budget, effort, parts, results, sockets
from .group_list import GROUPS
from .growth_lines import LINES
from .scenarios import SCENARIOS

PARTS = {
    "requests": "one kind of request after the other, all contenders (the default)",
    "policies": "origins, errors, body and limits, each policy beside its peers",
    "growth": "the cost of a request as rules and origins grow in number",
    "bounds": "start-up, a crowd in flight, memory",
    "sockets": "real sockets, loaded by wrk: one worker, two, behind nginx",
    "all": "all of these",
}


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PARTS)}")
    return name


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="What routeguard costs beside its peers, in CPU time for each request.",
        epilog="\n".join(f"{part:10}{what}" for part, what in PARTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", type=_part, metavar="PART")
    parser.add_argument("--quick", action="store_true", help="fewer processes, rounds, sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the plots there")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[known.name for known in (*SCENARIOS, *GROUPS, *LINES)],
        help="one request, one group of policies or one line of growth; may be given again",
    )
    parser.add_argument(
        "--check-budget",
        action="store_true",
        help="judge the budget; exit 1 where it is missed. All but sockets, if no PART is named",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    options = parse(arguments)
    much = effort.QUICK if options.quick else effort.Effort()
    found = results.Results()
    named = set(PARTS) if "all" in options.parts else set(options.parts)
    if not named:
        named = {"requests"}
        if options.only or options.check_budget:
            named |= {"policies", "growth"}
        if options.check_budget and not options.only:
            named.add("bounds")

    def say(text: str) -> None:
        print(text, flush=True)

    def chosen(name: str) -> bool:
        return not options.only or name in options.only

    # First: this is the part that needs other programs.
    if "sockets" in named:
        found.sockets = sockets.measure(much, say)
    if "requests" in named:
        say("\nµs of CPU time for each request; overhead over the bare application, as the median")
        scenarios = [scenario for scenario in SCENARIOS if chosen(scenario.name)]
        parts.compare(found, scenarios, much, say)
    if "policies" in named:
        parts.group(found, [one for one in GROUPS if chosen(one.name)], much, say)
    if "growth" in named and (lines := [line for line in LINES if chosen(line.name)]):
        parts.grow(found, lines, much, say)
    if "bounds" in named:
        parts.bound(found, much, say)
        parts.hold(found, much, say)
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
