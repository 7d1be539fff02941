"""Runs `python -m routeguard` for the tests, as people run it."""

import functools
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import IO, Any

import pytest

from routeguard.cli.main import main
from tests.support.forkserver import command

ROOT = Path(__file__).parents[3]
TOUR = "examples.tour.api:make_api"
SHOP = "tests.server.command.shop:app"
PATIENCE = 120.0  # seconds; a bound for a hanging process, not a speed


def environment(**changes: str) -> dict[str, str]:
    """The environment without what would change how rich writes."""
    unwanted = {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "TTY_COMPATIBLE", "COLORTERM"}
    unwanted |= {"PYTHONUNBUFFERED", "PYTHONWARNINGS"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **changes}


def run(
    *arguments: str,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    stdout: int | IO[str] = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    # What is under test is what is installed; the command itself makes `cwd` importable.
    python = [sys.executable, *options, "-m", "routeguard", *arguments]
    return subprocess.run(
        python if options else command("routeguard", *arguments),
        cwd=cwd,
        env=environment() if env is None else env,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


@functools.cache  # several tests look at different sides of one answer
def answer(*arguments: str, **changes: str) -> str:
    done = run(*arguments, env=environment(**changes))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def data(*arguments: str) -> Any:
    return json.loads(answer(*arguments, "--json"))


def here(*arguments: str, columns: int = 100) -> str:
    """The same without a process of its own, where only the arguments are in question."""
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(written):
        patch.setenv("COLUMNS", str(columns))
        patch.chdir(ROOT)
        patch.setattr(sys, "path", [str(ROOT), *sys.path])
        assert main(arguments) == 0, written.getvalue()
    return written.getvalue()


def rows(text: str) -> dict[str, str]:
    """The lines for each route by method and path: its own, and those below it."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if start := re.match(r"([A-Z*,]+) +(/\S*)", line):
            name = f"{start[1]} {start[2]}"
            found[name] = line
        elif name and line.startswith(" "):
            found[name] += f"\n{line}"
        else:
            name = ""
    return found


def stated(row: str) -> list[tuple[str, str]]:
    """What the lines below a route say, each with its place, where they are wide enough."""
    pairs = [re.split(r"  +", line.strip()) for line in row.splitlines()[1:]]
    return [(one[0], one[1] if len(one) > 1 else "") for one in pairs]
