"""The benchmarks themselves: right answers, a harness that runs, growth that needs no clock."""

import asyncio
import gc
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from . import __main__, growth_lines, limits, measure, processes, results, views
from .budget import verdicts
from .contenders import CONTENDERS, OURS, Contender
from .figures import Figure, Sample
from .growth_lines import LINES, Line
from .lane import Lane
from .scenarios import SCENARIOS, Scenario
from .timers import CountingLoop
from .transport import Served, exchange

pytestmark = [
    pytest.mark.alone,
    # aiohttp-middlewares stores its error under a plain string.
    pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning"),
]

PAIRS = [
    pytest.param(scenario, contender, id=f"{scenario.name}-{contender.name}")
    for scenario in SCENARIOS
    for contender in CONTENDERS
    if scenario.runs(contender)
]
TINY = results.Effort(
    processes=1,
    rounds=2,
    growth_processes=1,
    growth_rounds=2,
    sizes=(1, 10),
    crowd=20,
    flood=100,
    requests=100,
)
GUARDED = [contender for contender in OURS if contender.abilities]


@pytest.mark.parametrize(("scenario", "contender"), PAIRS)
async def test_every_contender_answers_right(scenario: Scenario, contender: Contender) -> None:
    async with Served(contender.build()) as server:
        answer = await exchange(server, scenario.request)

    assert scenario.faults(contender, answer) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_the_judge_finds_a_contender_out_that_does_nothing(scenario: Scenario) -> None:
    bare = CONTENDERS[0]
    boaster = Contender("boaster", "claims everything", bare.build)

    async with Served(bare.build()) as server:
        answer = await exchange(server, scenario.request)

    assert scenario.faults(boaster, answer) != []


def test_a_wrong_answer_is_not_timed() -> None:
    bare = CONTENDERS[0]
    boaster = Contender("boaster", "claims everything", bare.build)

    with pytest.raises(measure.WrongAnswer, match="Access-Control-Allow-Origin"):
        measure.side_by_side(SCENARIOS[0], [bare, boaster], rounds=1, seed=1)


@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
async def test_every_line_of_growth_answers_right(line: Line, size: int) -> None:
    async with Served(line.build(size)) as server:
        answer = await exchange(server, next(iter(line.requests())))

    assert growth_lines.faults(line, size, answer) == []


def test_a_line_of_growth_is_measured_at_every_size() -> None:
    line = next(known for known in LINES if known.name == "prefix-dynamic")

    samples = growth_lines.measure_line(line, sizes=(1, 20), rounds=2, seed=1)

    assert set(samples) == {"yardstick", "bare", "1", "20"}
    assert all(sample.cost > 0 for sample in samples.values())


def test_a_tiny_run_writes_figures_for_every_contender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "QUICK", TINY)
    target = tmp_path / "figures.json"

    status = __main__.main(["--quick", "--only", "get", "--json", str(target)])

    assert status == 0
    data = json.loads(target.read_text())
    measured = data["scenarios"]["get"]["contenders"]
    assert set(measured) == {contender.name for contender in CONTENDERS}
    assert all(figure["cost"]["median"] > 0 for figure in measured.values())
    assert measured["bare"]["overhead"]["median"] == 0
    assert "timeout" in measured["aiohttp-cors"]["leaves_undone"]
    assert not measured["decorator"]["leaves_undone"]


def test_a_missed_budget_is_told() -> None:
    def figure(overhead: float) -> Figure:
        return Figure.merge([Sample(50 + overhead, overhead, overhead, overhead)])

    overheads = {"handwritten": 10.0, "middlewares": 20.0, "floor": 4.0, "none": 5.0}
    overheads |= {"decorator": 7.0, "rule": 7.6, "fallback": 7.5, "observed": 7.6}
    found = results.Results(scenarios={"get": {k: figure(v) for k, v in overheads.items()}})

    missed = [verdict.line for verdict in verdicts(found) if not verdict.met]

    assert missed == [
        "five policies by rule / written by hand",
        "five policies by rule / five aiohttp-middlewares",
        "five policies by fallback / five aiohttp-middlewares",
    ]


def test_a_job_that_fails_says_why() -> None:
    with pytest.raises(processes.JobFailed, match="StopIteration"):
        processes.run_job("side_by_side", scenario="no such scenario", rounds=1, seed=1)


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


async def test_the_parked_requests_are_under_the_policies_too() -> None:
    for contender in GUARDED:
        app = contender.build()
        app[views.PARKING].gate.set()
        async with Served(app) as server:
            answer = await exchange(server, SCENARIOS[0].request.replace(b"report", b"parked"))
        assert answer.headers.get_all("Access-Control-Allow-Origin") == [views.ORIGIN]
        await asyncio.sleep(0)
