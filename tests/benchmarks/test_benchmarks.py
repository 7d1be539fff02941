"""Right answers of all that is measured, and measurements that run."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from routeguard.running.state import State
from routeguard.serving import fast_lane

from . import asked_paths, growing, limiting, measure, views
from .bodies import BODIES
from .contenders import CONTENDERS, OURS, Contender
from .group_list import GROUPS
from .groups import Entry, Group, measure_group
from .growing import Line
from .growth_lines import LINES
from .lane import CONNECTIONS, Lane
from .scenarios import SCENARIOS, Scenario
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


def test_the_warm_up_brings_every_client_of_the_limits() -> None:
    assert len(limiting.KEYS) <= measure.WARM_UP * measure.TURNS * CONNECTIONS


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


def test_requests_before_a_batch_are_asked_and_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = itertools.count()
    request = SCENARIOS[0].request
    lane = Lane(CONTENDERS[0].build, (request for _ in asked))
    begun: list[int] = []
    clock = time.process_time_ns

    def now() -> int:
        begun.append(next(asked))
        return clock()

    try:
        before = next(asked)
        monkeypatch.setattr(time, "process_time_ns", now)
        lane.batch(1, settling=2)
    finally:
        lane.close()

    first, last = begun
    assert (first - before - 1, last - first - 1) == (2 * len(lane), len(lane))


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


@pytest.mark.parametrize(
    "line", [line for line in LINES if line.unsplit], ids=lambda line: line.name
)
def test_rules_split_the_route_and_one_rule_does_not(line: Line) -> None:
    assert line.unsplit is not None
    routes = []
    for build in (line.unsplit, partial(line.build, 2)):
        lane = Lane(build, line.requests(2))
        lane.batch(1)
        routes.append([path for path in _plans(lane) if "{" in path])
        lane.close()

    # A plan belongs to a route only where no rule splits it.
    assert [len(found) for found in routes] == [1, 0]


@pytest.mark.parametrize("name", ["four", "four, body"])
def test_a_small_body_is_served_in_the_fast_lane(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chained: list[str] = []
    entry = BODIES.entries[name]
    lane = Lane(entry.build, entry.requests())
    try:
        assert _plans(lane) == {"/api/report": True, "/api/parked": True}
        monkeypatch.setattr(State, "__init__", lambda *_: chained.append(name))
        lane.batch(3)
    finally:
        lane.close()

    assert chained == []


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


async def test_the_parked_requests_are_under_the_policies_too() -> None:
    for contender in [known for known in OURS if known.abilities]:
        app = contender.build()
        app[views.PARKING].gate.set()
        async with Served(app) as server:
            answer = await exchange(server, SCENARIOS[0].request.replace(b"report", b"parked"))
        assert answer.headers.get_all("Access-Control-Allow-Origin") == [views.ORIGIN]
        await asyncio.sleep(0)
