"""The table of `docs/reference/tested.md`, written from a run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.jobs import Counts
from tests.matrix.project import ROOT

__all__ = ["COLUMNS", "RECORD", "TABLE", "Row", "record", "table"]

RECORD = ROOT / "docs/data/tested.json"
TABLE = ROOT / "docs/data/tested.inc"

NOTHING = "No run is recorded yet: `bash tests/run --record` writes the table.\n"

COLUMNS = ("Python", "aiohttp", "yarl", "wrapt")


@dataclass(frozen=True, slots=True)
class Row:
    """One lane as it was run: with which versions, which tests, and how many."""

    lane: str
    versions: dict[str, str]
    paths: tuple[str, ...]
    counts: Counts


def record(rows: Sequence[Row], order: Sequence[str], missing: Sequence[str]) -> None:
    """Keeps what was run, beside what other runs have kept of other lanes; writes the table.

    Args:
        rows: the lanes that have passed.
        order: the names of all lanes there are.
        missing: what is to be said of Pythons that were not found.
    """
    kept = json.loads(RECORD.read_text())["lanes"] if RECORD.exists() else []
    lanes = {lane["lane"]: lane for lane in kept}
    for row in rows:
        lanes[row.lane] = {
            "lane": row.lane,
            "versions": row.versions,
            "tests": [Path(path).name for path in row.paths],
            "passed": row.counts.passed,
        }
    known = {"lanes": [lanes[name] for name in order if name in lanes], "missing": list(missing)}
    RECORD.write_text(json.dumps(known, indent=2) + "\n")
    TABLE.write_text(table())


def table() -> str:
    """The table of what is recorded."""
    if not RECORD.exists():
        return NOTHING
    kept = json.loads(RECORD.read_text())
    lines = [
        "| lane | Python | aiohttp | yarl | wrapt | tests | passed |",
        "| --- | --- | --- | --- | --- | --- | ---: |",
    ]
    for lane in kept["lanes"]:
        versions = " | ".join(lane["versions"][name] for name in COLUMNS)
        tests = "everything" if lane["tests"] == ["tests"] else ", ".join(lane["tests"])
        lines.append(f"| {lane['lane']} | {versions} | {tests} | {lane['passed']:,} |")
    if kept["missing"]:
        lines += ["", *kept["missing"]]
    return "\n".join(lines) + "\n"
