"""What a brief run does otherwise: less of what is alike, and processes that are forked."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import extent
from tests.support.forkserver import command

PATIENCE = 60.0  # seconds; a bound for a process that hangs

SCRIPT = """
import os, sys, time
print(sys.argv[1:], os.environ.get("SHOWN"), os.getcwd())
print("aside", file=sys.stderr)
sys.stdout.flush()
if sys.argv[1] == "fails":
    raise LookupError("told to")
if sys.argv[1] == "waits":
    time.sleep(600)
sys.exit(3)
"""


@pytest.mark.parametrize("brief", [False, True])
def test_a_part_is_tried(brief: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(extent.ENVIRONMENT, "on" if brief else "off")
    assert extent.some(9, brief=1) == (1 if brief else 9)
    found = extent.part(range(10), 3)
    assert found == sorted(set(found) & set(range(10)))
    assert len(found) == (4 if brief else 10)
    assert extent.part([7], 5) == [7]


@pytest.fixture(params=[False, True], ids=["", "brief"])
def script(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setenv(extent.ENVIRONMENT, "on" if request.param else "off")
    (tmp_path / "script.py").write_text(SCRIPT)
    return command(str(tmp_path / "script.py"))


@pytest.mark.parametrize(("what", "code", "says"), [("exits", 3, ""), ("fails", 1, "told to")])
def test_a_process_is_as_python_starts_it(
    script: list[str], what: str, code: int, says: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [*script, what, "two words"],
        cwd=tmp_path,
        env={**os.environ, "SHOWN": "é"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout.splitlines()[0] == f"['{what}', 'two words'] é {tmp_path}"
    assert done.stderr.startswith("aside\n") and says in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(script: list[str], number: signal.Signals) -> None:
    with subprocess.Popen([*script, "waits"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.stdout.read() == ""  # it has ended: nobody holds the other end
        assert process.wait(PATIENCE) == -number
