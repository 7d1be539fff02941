"""The table of the documentation: `python -m tests.server.tools.table` writes it anew."""

import functools
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.server.tools.cases import CASES
from tests.support.forkserver import command
from tests.support.processes import ROOT

__all__ = ["FILE", "found_by", "table"]

PATIENCE = 180.0
FILE: Path = ROOT / "docs" / "data" / "tools.inc"
NOTE = "<!-- Written by python -m tests.server.tools.table. -->\n\n"

# Nothing is sent anywhere.
QUIET = {
    "DD_CRASHTRACKING_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}


@functools.cache
def found_by(tool: str) -> Any:
    """What a tool has seen, in a process of its own: by arrangement, and by case."""
    done = subprocess.run(
        command("tests.server.tools", tool, path=str(ROOT)),
        cwd=ROOT,
        env={**os.environ, **QUIET},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def table(tools: Sequence[str]) -> str:
    """The table for some tools: a line a case."""
    lines = [["answer", "status", *tools], ["---", "--:", *["---"] * len(tools)]]
    for case in CASES:
        cells = [_cell(tool, found_by(tool)["root, before"][case.name]) for tool in tools]
        lines.append([case.name, str(case.status), *cells])
    return NOTE + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(tool: str, found: Any) -> str:
    if not found["seen"]:
        return "nothing"
    seen = found["seen"][-1]
    if tool == "request ids":
        marked = ["header"] if found["request id"] else []
        return ", ".join([*marked, "log"] if "lost:" not in seen["more"] else marked)
    if tool == "Sentry":
        return f"`{seen['name']}` {seen['status']}" + (", an event" if seen["more"] else "")
    return f"`{seen['name']}` {seen['status']}"


if __name__ == "__main__":
    from tests.server.tools.tools import SHOWN

    FILE.write_text(table(SHOWN), encoding="utf-8")
