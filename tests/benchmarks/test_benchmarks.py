"""The benchmarks themselves: right answers, a harness that runs, growth that needs no clock."""

import asyncio
import gc
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from routeguard.serving import fast_lane

from . import (
    __main__,
    asked_paths,
    flight,
    growing,
    limits,
    measure,
    processes,
    results,
    sockets,
    views,
)
from .budget import verdicts
from .contenders import CONTENDERS, OURS, Contender
from .figures import Figure, Sample
from .group_list import GROUPS
from .groups import Entry, Group, measure_group
from .growing import Line
from .growth_lines import LINES
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
    routes=40,
    flight=10,
    socket_seconds=1,
    socket_rounds=1,
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
        answer = await exchange(server, next(iter(line.requests(size))))

    assert growing.faults(line, size, answer) == []


@pytest.mark.parametrize(
    "line", [line for line in LINES if line.unsplit], ids=lambda line: line.name
)
async def test_every_line_of_one_rule_answers_right(line: Line) -> None:
    assert line.unsplit is not None
    async with Served(line.unsplit()) as server:
        answer = await exchange(server, next(iter(line.requests(1))))

    assert growing.faults(line, 0, answer) == []


def test_a_line_of_growth_is_measured_at_every_size() -> None:
    line = next(known for known in LINES if known.name == "deeper-all")

    samples = growing.measure_line(line, sizes=(1, 20), rounds=2, seed=1)

    assert set(samples) == {"yardstick", "bare", "one rule", "1", "20"}
    assert all(sample.cost > 0 for sample in samples.values())


def test_a_new_id_is_asked_for_once_by_all_lanes() -> None:
    requests = asked_paths.new_ids("/users/{id}")
    lanes = [requests(1), requests(1), asked_paths.spread("/files/{folder}/{id}")(3)]

    ids = [_path(request)[-9:] for _ in range(50) for request in map(next, map(iter, lanes))]

    assert len(set(ids)) == len(ids)


def test_folders_take_turns() -> None:
    requests = itertools.islice(asked_paths.spread("/files/{folder}/{id}")(2), 4)

    assert [_path(request)[:14] for request in requests] == [
        "/files/0000000",
        "/files/0000001",
    ] * 2


def test_ids_by_zipf_have_favourites_and_strangers() -> None:
    drawn = [_path(one) for one in itertools.islice(asked_paths.zipf_ids("/users/{id}")(1), 5_000)]

    counts = sorted(Counter(drawn).values(), reverse=True)

    assert 250 < counts[0] < 700  # the first of 100,000 has one in twelve
    assert 1_500 < len(counts) < 4_000
    assert len({len(path) for path in drawn}) == 1


def _path(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()


ENTRIES = [
    pytest.param(group, name, entry, id=f"{group.name}-{name}")
    for group in GROUPS
    for name, entry in group.entries.items()
]


@pytest.mark.parametrize(("group", "name", "entry"), ENTRIES)
async def test_every_entry_of_a_group_answers_right(group: Group, name: str, entry: Entry) -> None:
    async with Served(entry.build()) as server:
        answer = await exchange(server, next(iter(entry.requests())))

    assert group.faults(name, answer) == []


def test_a_wrong_answer_of_an_entry_is_not_timed() -> None:
    bare = GROUPS[0].entries["bare"]
    wrong = Group("wrong", "", {"bare": replace(bare, judge=GROUPS[0].entries["exact"].judge)})

    with pytest.raises(measure.WrongAnswer, match="wrong, bare: Access-Control-Allow-Origin"):
        measure_group(wrong, rounds=1, seed=1)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_all_entries_of_a_group_are_measured(group: Group) -> None:
    samples = measure_group(group, rounds=2, seed=1)

    assert set(samples) == {"yardstick", *group.entries}
    assert all(sample.cost > 0 for sample in samples.values())


def _plans(lane: Lane) -> dict[str, bool]:
    """By the path that was asked for: whether the fast lane serves it."""
    handle: Any = lane.app.middlewares[0]
    plans = handle.__self__.plans
    return {
        str(route.resource.canonical): plan.lane is not None
        for route, plan in plans.by_route.items()
    }


def test_the_chain_is_taken_where_the_lane_was_closed_and_nowhere_else() -> None:
    chain = next(known for known in CONTENDERS if known.name == "chain")
    request = SCENARIOS[0].request
    lanes = [
        Lane(chain.build, itertools.repeat(request), takes_chain=takes_chain)
        for takes_chain in (False, True, False)
    ]
    try:
        for lane in lanes:
            lane.batch(3)
        assert chain.takes_chain
        opened = {"/api/report": True, "/api/parked": True}
        assert [_plans(lane) for lane in lanes] == [opened, dict.fromkeys(opened, False), opened]
    finally:
        for lane in lanes:
            lane.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_closes_the_lane_for_its_contender(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    enter = fast_lane.FastLane.enter

    def noted(lane: Any, request: web.Request, handler: Any) -> Any:
        served.append(request.path)
        return enter(lane, request, handler)

    monkeypatch.setattr(fast_lane.FastLane, "enter", noted)
    chosen = [known for known in CONTENDERS if known.name in ("bare", "chain")]

    measure.side_by_side(scenario, chosen, rounds=2, seed=1)

    assert served == []


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
    overheads |= {"decorator": 7.0, "rule": 7.6, "fallback": 7.5, "observed": 7.6, "chain": 10.4}
    found = results.Results(scenarios={"get": {k: figure(v) for k, v in overheads.items()}})

    missed = [verdict.line for verdict in verdicts(found) if not verdict.met]

    assert missed == [
        "five policies by rule / written by hand",
        "five policies by rule / five aiohttp-middlewares",
        "five policies by fallback / five aiohttp-middlewares",
    ]


def test_what_is_added_is_told_process_by_process() -> None:
    def figure(*overheads: float) -> Figure:
        return Figure.merge([Sample(50 + one, one, one, one) for one in overheads])

    limited, plain = figure(10, 14, 30), figure(8, 11, 28)
    counter, seats = figure(0, 10, 50), figure(5, 13, 70)
    found = results.Results()
    found.groups["limiting"] = {"csrf": plain, "csrf, rate_limit": limited}
    found.groups["limiting"] |= {"counter": counter, "concurrency_limit": seats}

    added, ratio = (verdict.measured for verdict in verdicts(found))

    assert (added.low, added.median, added.high) == (2, 2, 3)
    assert (ratio.low, ratio.median, ratio.high) == (63 / 60, 55 / 50, 120 / 100)


def test_a_line_is_judged_by_the_one_rule_beside_it() -> None:
    figure = Figure.merge([Sample(60, 10, 10, 10)])
    slower = Figure.merge([Sample(63, 13, 13, 13)])
    found = results.Results()
    found.growth["exact-new"] = {"one rule": figure, "1": figure, "10000": slower}

    (verdict,) = verdicts(found)

    assert (verdict.measured.median, verdict.limit, verdict.met) == (1.3, 1.25, False)


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

    (table,) = sockets.measure(TINY, lambda text: None, [setup]).values()

    assert set(table["contenders"]) == {"bare", "handwritten"}
    by_hand = table["contenders"]["handwritten"]
    assert by_hand["rate"] > 0
    assert by_hand["rate_of_handwritten"]["median"] == by_hand["p99_of_handwritten"]["median"] == 1
