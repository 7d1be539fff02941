"""Rows whose clients have hung up and whose server is told to stop: none is lost."""

import itertools
import json
from pathlib import Path

import pytest

from tests.faults import compare
from tests.faults.trials import GUNICORN, complaints, trial
from tests.faults.writes import Setting
from tests.support.extent import some

pytestmark = pytest.mark.faults

CLIENTS = some(2_000, brief=300)
WAITING = some(500, brief=200)


def setting_of(
    path: Path,
    body: str,
    closes: str,
    *,
    cancellation: bool = True,
    stays: bool = False,
    guard: str = "routeguard",
) -> Setting:
    return Setting(guard, path / "rows.sqlite", body, closes, cancellation, stays)


@pytest.mark.parametrize(
    ("body", "closes", "cancellation"),
    [
        ("unread", "never", True),
        ("late", "never", True),
        ("late", "before", True),
        ("late", "after", True),
        ("late", "after", False),
        ("late", "around", True),
    ],
)
async def test_a_crowd_hangs_up_and_no_row_is_lost(
    body: str, closes: str, cancellation: bool, tmp_path: Path
) -> None:
    setting = setting_of(tmp_path, body, closes, cancellation=cancellation)
    rows, said = await trial(setting, CLIENTS)
    assert rows == list(range(CLIENTS))
    assert complaints(said) == []


@pytest.mark.parametrize("closes", ["after", "around"])
async def test_no_row_is_lost_whose_client_waits(closes: str, tmp_path: Path) -> None:
    """And every client has its answer; it takes as many sockets in this process as clients."""
    rows, said = await trial(setting_of(tmp_path, "late", closes, stays=True), WAITING)
    assert rows == list(range(WAITING))
    assert complaints(said) == []


@pytest.mark.nightly
async def test_ten_thousand_clients_hang_up_and_no_row_is_lost(tmp_path: Path) -> None:
    rows, said = await trial(setting_of(tmp_path, "late", "around"), 10_000)
    assert rows == list(range(10_000))
    assert complaints(said) == []


@pytest.mark.parametrize("by", ["runner", *GUNICORN])
async def test_whoever_runs_the_application(by: str, tmp_path: Path) -> None:
    rows, said = await trial(setting_of(tmp_path, "late", "after"), 300, by=by)
    assert rows == list(range(300))
    assert complaints(said) == []


async def test_the_trial_can_fail(tmp_path: Path) -> None:
    setting = setting_of(tmp_path, "unread", "never", guard="aiohttp")
    rows, _ = await trial(setting, 100)
    assert rows == []


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.nightly)])
async def test_the_comparison(whole: bool) -> None:
    scenarios = compare.SCENARIOS if whole else compare.SCENARIOS[2:3]
    clients = 200 if whole else 20
    figures = await compare.compare(clients, scenarios)
    assert json.loads(json.dumps(figures)) == figures
    assert len(figures["scenarios"]) == len(scenarios)
    for line in figures["scenarios"]:
        assert line["rows"]["routeguard"] == clients
    for line, name in itertools.product(figures["scenarios"], figures["versions"]):
        assert str(line["rows"][name]) in compare.table(figures)
        assert line["scenario"] in compare.table(figures)
