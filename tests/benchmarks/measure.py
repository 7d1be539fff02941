"""The side-by-side measurement inside one process: interleaved lanes, batch by batch."""

import gc
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

from .contenders import BASELINE, Contender, bare
from .figures import Sample
from .lane import IN_FLIGHT, Lane
from .scenarios import SCENARIOS, Scenario

TURNS = 16
LONGEST_BATCH = 20_000
"""Microseconds."""
SETTLING = 6
"""Turns before each batch that are not timed."""
WARM_UP = 3


YARDSTICK = "yardstick"
"""A lane in every process that does the same: the bare application's ordinary request.

The processors of a shared machine are twice as fast in one minute as in the next. What processes
measure is told at one pace by what the yardstick took in each of them.
"""


class WrongAnswer(AssertionError):
    """A contender did not answer as it should; it is not timed."""


def side_by_side(
    scenario: Scenario,
    contenders: Iterable[Contender],
    *,
    rounds: int,
    seed: int,
    in_flight: int = IN_FLIGHT,
) -> dict[str, Sample]:
    """Check every contender's answer, then time all of them in one process.

    Raises:
        WrongAnswer: a contender's answer is not right.
    """
    chosen = [contender for contender in contenders if scenario.runs(contender)]
    # The order in which applications are built is part of the memory layout.
    random.Random(seed).shuffle(chosen)
    lanes = {YARDSTICK: yardstick(in_flight)}
    try:
        for contender in chosen:
            requests = repeat(scenario.request)
            lanes[contender.name] = Lane(
                contender.build, requests, in_flight=in_flight, takes_chain=contender.takes_chain
            )
        faults = [
            fault
            for contender in chosen
            for fault in scenario.faults(contender, lanes[contender.name].answer)
        ]
        if faults:
            raise WrongAnswer("\n".join(faults))
        return time_lanes(lanes, rounds=rounds, seed=seed)
    finally:
        for lane in lanes.values():
            lane.close()


def yardstick(in_flight: int = IN_FLIGHT) -> Lane:
    """The lane by which figures of several processes are made comparable."""
    return Lane(bare, repeat(SCENARIOS[0].request), in_flight=in_flight)


def time_lanes(lanes: Mapping[str, Lane], *, rounds: int, seed: int) -> dict[str, Sample]:
    """Time ready lanes against the one named ``bare``, in an order that changes every round."""
    turns = {name: _turns(lane) for name, lane in lanes.items()}
    measured: list[dict[str, float]] = []
    order: Sequence[str] = list(lanes)
    shuffle = random.Random(seed)
    gc.collect()
    # What stands now stays for the run; the collector should walk only what requests leave.
    gc.freeze()
    try:
        for _ in range(rounds):
            order = shuffle.sample(order, len(order))
            measured.append(
                {
                    name: lanes[name].batch(turns[name], settling=min(SETTLING, turns[name]))
                    for name in order
                }
            )
    finally:
        gc.unfreeze()
    costs = _at_one_pace(measured)
    return {name: Sample.of(costs[name], costs[BASELINE]) for name in lanes}


def _at_one_pace(measured: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The costs as if the processor had run at one speed in every round.

    A shared machine changes its speed by a factor of two within seconds, and all lanes of a round
    alike. So each round is scaled by its own geometric mean to that of the typical round.
    """
    paces = [statistics.geometric_mean(costs.values()) for costs in measured]
    typical = statistics.median(paces)
    return {
        name: [costs[name] / pace * typical for costs, pace in zip(measured, paces, strict=True)]
        for name in measured[0]
    }


def _turns(lane: Lane) -> int:
    # A batch has a fixed cost of its own, so all but the very slow get as many turns. The warm-up
    # visits every path that a growth line asks for.
    for _ in range(WARM_UP):
        cost = lane.batch(TURNS)
    return max(1, min(TURNS, round(LONGEST_BATCH / cost / len(lane))))
