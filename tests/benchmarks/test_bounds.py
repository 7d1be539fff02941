"""What the benchmarks count beside time: timers, memory, answers over sockets."""

import gc
import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from . import flight, limits, sockets
from .contenders import CONTENDERS, OURS, Contender
from .effort import QUICK
from .lane import Lane
from .scenarios import SCENARIOS
from .timers import CountingLoop

pytestmark = [
    pytest.mark.alone,
    # aiohttp-middlewares stores its error under a plain string.
    pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning"),
]

GUARDED = [contender for contender in OURS if contender.abilities]


def _timers_armed_for(build: Callable[[], web.Application], turns: int) -> int:
    """Timers armed while requests come and go and a few stay in flight."""
    loop = CountingLoop()
    lane = Lane(build, itertools.repeat(SCENARIOS[0].request), loop=loop)
    try:
        lane.batch(1)
        loop.forget()
        lane.batch(turns)
        return loop.armed
    finally:
        lane.close()


@pytest.mark.parametrize("contender", GUARDED, ids=lambda contender: contender.name)
def test_requests_under_one_timeout_share_a_timer(contender: Contender) -> None:
    by_hand = next(known for known in CONTENDERS if known.name == "handwritten")

    assert _timers_armed_for(by_hand.build, 50) >= 400
    assert _timers_armed_for(contender.build, 50) < 40


def test_a_crowd_in_flight_stands_under_one_timer() -> None:
    figures = limits.crowd(requests=500, times=1)["contenders"]

    assert figures["handwritten"]["timers_standing"] >= 500
    assert figures["rule"]["timers_standing"] <= figures["bare"]["timers_standing"] + 2


@pytest.mark.parametrize("traffic", ["flood of 404s", "flood on a dynamic route"])
def test_random_paths_leave_nothing_behind(traffic: str) -> None:
    blocks = _blocks_after(limits.TRAFFIC[traffic](), stage=2_500)

    # aiohttp and yarl remember a bounded number of paths; so may we.
    assert blocks[-1] - blocks[-2] < 500


def _blocks_after(requests: Any, *, stage: int, stages: int = 3) -> list[int]:
    lane = Lane(limits.guarded_for_flood, requests, in_flight=0)
    blocks = []
    try:
        for _ in range(stages):
            lane.batch(stage // len(lane))
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    finally:
        lane.close()
    return blocks


def test_routes_that_were_asked_for_hold_memory_by_rules() -> None:
    held = limits.held_by_routes(routes=40, rules=4)

    assert 0 < held["added"] == held["with_rules"] - held["bare"]


def test_what_a_request_in_flight_holds_is_the_same_each_time() -> None:
    first, again = (flight.held(requests=20, times=1)["flights"] for _ in range(2))

    assert set(first) == set(flight.FLIGHTS)
    assert first["bare"]["added"] == 0 < first["bare"]["bytes"]
    for name, one in first.items():
        assert one["bytes"] == pytest.approx(again[name]["bytes"], abs=200), name
    assert first["five"]["added"] > first["four"]["added"] > 0


@pytest.mark.nginx
@pytest.mark.usefixtures("nginx", "wrk")
@pytest.mark.parametrize(
    "setup",
    [
        sockets.Setup("one", "one worker", ("get",)),
        sockets.Setup("both", "two workers behind nginx", ("post",), workers=2, nginx=True),
    ],
    ids=lambda setup: setup.name,
)
def test_contenders_are_loaded_over_sockets(
    setup: sockets.Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "ASKED", ("bare", "handwritten"))

    effort = replace(QUICK, socket_rounds=1)

    (table,) = sockets.measure(effort, lambda text: None, [setup]).values()

    assert set(table["contenders"]) == {"bare", "handwritten"}
    by_hand = table["contenders"]["handwritten"]
    assert by_hand["rate"] > 0
    assert by_hand["rate_of_handwritten"]["median"] == by_hand["p99_of_handwritten"]["median"] == 1
