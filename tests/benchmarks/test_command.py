"""The command of the benchmarks: which parts it measures, what it writes, how it judges."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from . import __main__, effort, parts, processes, results, sockets
from .budget import verdicts
from .contenders import CONTENDERS
from .figures import Figure, Sample

pytestmark = [
    pytest.mark.alone,
    # aiohttp-middlewares stores its error under a plain string.
    pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning"),
]

TINY = effort.Effort(
    processes=1,
    rounds=2,
    growth_processes=1,
    growth_rounds=2,
    sizes=(1, 10),
    crowd=20,
    flood=100,
    requests=100,
)
EVERY_PART = {"compare", "group", "grow", "bound", "hold", "measure"}


def test_a_tiny_run_writes_figures_for_every_contender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effort, "QUICK", TINY)
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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"compare"}),
        (["all"], EVERY_PART),
        (["--check-budget"], EVERY_PART - {"measure"}),
        (["growth", "sockets"], {"grow", "measure"}),
        (["bounds"], {"bound", "hold"}),
        (["--only", "exact-new"], {"compare", "group", "grow"}),
        (["policies", "--only", "origins"], {"group"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_parts_that_are_named_are_measured(
    arguments: list[str], expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: set[str] = set()

    def noted(name: str, *_: object) -> dict[str, Any]:
        done.add(name)
        return {}

    for name in EVERY_PART:
        place = sockets if name == "measure" else parts
        monkeypatch.setattr(place, name, partial(noted, name))

    __main__.main(["--quick", *arguments])

    assert done == expected


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["policy"])

    assert "'policy' is none of requests, policies" in capsys.readouterr().err


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
