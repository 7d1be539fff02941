"""The run itself: nothing is left out, what fails is a failure, and the page tells of a run."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.matrix import __main__, lanes, page, project, pythons
from tests.matrix.environments import MAIN, Environment
from tests.matrix.jobs import Counts, Pool
from tests.matrix.lanes import THIS, Lane

PYTHONS = {name: Path(f"/opt/python{name}") for name in project.SUPPORTED} | {
    THIS: Path(sys.executable)
}


def test_the_shares_of_a_lane_are_all_of_its_files_and_each_of_them_once() -> None:
    lane = Lane("all", MAIN, ("tests",))
    shares = [*lane.shares(2, waiting=True), *lane.shares(5, waiting=False)]
    files = sorted(file for share in shares for file in share)
    expected = sorted(
        str(path.relative_to(project.ROOT))
        for path in (project.ROOT / "tests").rglob("*.py")
        if path.name.startswith("test_")
    )
    assert files == expected
    assert len(shares) == 7
    [waiting] = lane.shares(1, waiting=True)
    assert set(lanes.test_files("tests/faults")) < set(waiting)


def test_what_is_said_of_files_is_said_of_files_that_are_there() -> None:
    named = [*lanes.WAITING, *lanes.LONG, *lanes.TOOLS, *lanes.OWN_LOOPS]
    assert [name for name in named if not (project.ROOT / name).exists()] == []


def test_every_supported_python_and_every_minor_of_aiohttp_has_a_lane() -> None:
    found = lanes.lanes(PYTHONS)
    bases = {lane.environment.base for lane in found}
    assert bases == set(PYTHONS.values())
    names = [lane.name for lane in found]
    assert [name for name in names if name.startswith("aiohttp")] == [
        f"aiohttp {minor}" for minor in project.aiohttp_minors(_newest_aiohttp())
    ]
    assert len(set(names)) == len(names)
    [everything] = [lane for lane in found if tuple(lane.paths) == ("tests",)]
    assert everything.environment is MAIN
    assert "--brief" not in everything.options
    [lowest] = [lane for lane in found if lane.name.startswith("lowest")]
    assert lowest.environment.base == PYTHONS[min(PYTHONS, key=_numbers)]
    assert set(lowest.environment.pins) == set(project.floors())
    [eager] = [lane for lane in found if "eager-debug" in lane.options]
    assert eager.environment.base == PYTHONS[max(PYTHONS, key=_numbers)]
    [without] = [lane for lane in found if lane.variables]
    assert without.variables == {"ROUTEGUARD_FAST_LANE": "off"}


def _newest_aiohttp() -> str:
    return aiohttp.__version__


def _numbers(name: str) -> list[int]:
    return [int(number) for number in name.split(".")]


def test_lanes_in_one_environment_share_it() -> None:
    folders: dict[str, set[Environment]] = {}
    for lane in lanes.lanes(PYTHONS):
        folders.setdefault(lane.environment.folder, set()).add(lane.environment)
    assert all(len(environments) == 1 for environments in folders.values())


TESTS = """
import pytest

def test_passes(): pass

def test_fails(): assert False

@pytest.mark.skip
def test_is_skipped(): pass

def test_is_broken(missing): pass
"""


async def test_a_job_counts_its_tests_and_fails_where_one_of_them_does(tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(TESTS)
    pool = Pool(2, tmp_path)
    pytest_alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    command = [*map(str, pytest_alone), "--noconftest", "-c", "/dev/null", "-q", str(file)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it would take most of the time
        some, passing, none = await asyncio.gather(
            pool.test("some", command),
            pool.test("passing", [*command, "-k", "passes"]),
            pool.test("none", [*command, "-k", "nothing_of_this_name"]),
        )
    assert (some.ok, some.counts) == (False, Counts(passed=1, failed=2, skipped=1))
    assert "test_fails" in some.said
    assert "FAILED" in some.line()
    assert (passing.ok, passing.counts) == (True, Counts(passed=1))
    assert (none.ok, none.counts) == (True, Counts())


async def test_a_command_that_fails_is_a_failure(tmp_path: Path) -> None:
    pool = Pool(1, tmp_path)
    done = await pool.run("exit", [sys.executable, "-c", "print('told'); raise SystemExit(5)"])
    assert (done.ok, done.said) == (False, "told\n")


@pytest.mark.parametrize("in_ci", [False, True])
@pytest.mark.parametrize("to_be_had", [False, True])
def test_a_python_that_is_missing_is_named_and_fails_where_it_could_be_had(
    in_ci: bool,
    to_be_had: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def find(version: str) -> Path | None:
        return PYTHONS[version] if version == THIS else None

    def obtain(version: str) -> None:
        if to_be_had:
            raise subprocess.CalledProcessError(100, ["apt-get"])

    monkeypatch.setattr(pythons, "find", find)
    monkeypatch.setattr(pythons, "obtain", obtain)
    monkeypatch.setattr(__main__, "IN_CI", in_ci)
    pool = Pool(1, tmp_path)
    run = __main__.Run(pool, pool, [])
    assert set(run.found_pythons()) == {THIS}
    for name in project.SUPPORTED:
        named = [note for note in run.notes if f"Python {name} " in note]
        assert len(named) == (name != THIS)
    failed = [done for done in run.done if not done.ok]
    assert len(failed) == (len(project.SUPPORTED) - 1 if in_ci and to_be_had else 0)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "RECORD", tmp_path / "tested.json")
    monkeypatch.setattr(page, "TABLE", tmp_path / "tested.inc")
    return tmp_path / "tested.inc"


def test_a_run_of_some_lanes_leaves_what_is_recorded_of_the_others(recording: Path) -> None:
    def row(lane: str, passed: int) -> page.Row:
        return page.Row(lane, dict.fromkeys(page.COLUMNS, "1"), ("tests/unit",), Counts(passed))

    order = ["one", "two", "three"]
    page.record([row("two", 22), row("one", 1111), row("gone", 5)], order, [])
    page.record([row("two", 23)], order, ["no Python 3.12 on this machine: not tested with it"])
    lines = recording.read_text().splitlines()
    assert [line for line in lines if line.startswith("| ")][2:] == [
        "| one | 1 | 1 | 1 | 1 | unit | 1,111 |",
        "| two | 1 | 1 | 1 | 1 | unit | 23 |",
    ]
    assert lines[-1] == "no Python 3.12 on this machine: not tested with it"


def test_the_page_shows_what_was_recorded() -> None:
    assert page.TABLE.read_text() == page.table(), "run bash tests/run --record"
    kept = json.loads(page.RECORD.read_text()) if page.RECORD.exists() else {"lanes": []}
    if not kept["lanes"]:
        assert page.TABLE.read_text() == page.NOTHING
        return
    tested = {lane["versions"]["Python"].rpartition(".")[0] for lane in kept["lanes"]}
    missing = {name for name in project.SUPPORTED if f"Python {name} " in " ".join(kept["missing"])}
    assert tested | missing == set(project.SUPPORTED)
    assert all(lane["passed"] for lane in kept["lanes"])
