"""What is no `Exception` is nobody's to answer: it ends the connection, or the program."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.errors.exiting import POLICIES, RAISED

PROGRAM = Path(__file__).with_name("exiting.py")
PART = "\r\n\r\n4\r\npart\r\n"  # one chunk, and no last one

Told = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def told() -> Told:
    # -c and no script: the directory of a script would come first on its path.
    code = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(PROGRAM)],
        check=True,
        capture_output=True,
        timeout=60,
        text=True,
    )
    outcomes: Told = json.loads(done.stdout)
    assert len(outcomes) == len(RAISED) * len(POLICIES) * 2
    return outcomes


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("raised", RAISED)
def test_nothing_is_answered(told: Told, raised: str, policy: str) -> None:
    assert told[f"{raised}, {policy}, before"]["received"] == ""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("raised", RAISED)
def test_a_started_response_is_cut_off(told: Told, raised: str, policy: str) -> None:
    received = told[f"{raised}, {policy}, started"]["received"]
    assert received.startswith("HTTP/1.1 200 ") and received.endswith(PART)
    assert received.count("HTTP/1.") == 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
def test_the_program_is_told_to_end(told: Told, raised: str, policy: str) -> None:
    for stage in ("before", "started"):
        assert told[f"{raised}, {policy}, {stage}"]["came out"] == raised
