"""What is left of rows whose clients hang up before a SIGTERM, beside the peers.

    python -m tests.faults.compare --json FILE

Each trial starts a server of its own, lets the clients post one row each and hang up at once,
waits until the server has begun to handle all of them, sends SIGTERM, and counts the rows in
SQLite when the server has ended.
"""

import argparse
import asyncio
import json
import platform
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.faults.guards import GUARDS
from tests.faults.trials import trial
from tests.faults.writes import Setting


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the table."""

    name: str
    body: str
    closes: str = "never"
    cancellation: bool = True
    stays: bool = False


SCENARIOS = [
    Scenario("hang up at once", "unread"),
    Scenario("the body is read at once", "early"),
    Scenario("the body is read late", "late"),
    Scenario("a cleanup_ctx written before the guard closes the database", "unread", "before"),
    Scenario("a cleanup_ctx written after the guard closes the database", "unread", "after"),
    Scenario("both, body read late and database closed", "late", "after"),
    Scenario("a cleanup_ctx of an application around it closes the database", "late", "around"),
    Scenario("handler_cancellation off", "unread", cancellation=False),
    Scenario("handler_cancellation off, the body is read late", "late", cancellation=False),
    Scenario("clients wait, body read late and database closed", "late", "after", stays=True),
]


async def compare(clients: int, scenarios: list[Scenario]) -> dict[str, Any]:
    """Runs every scenario with every contender, one after the other."""
    lines: list[dict[str, Any]] = []
    for scenario in scenarios:
        rows: dict[str, int] = {}
        for name in GUARDS:
            with tempfile.TemporaryDirectory() as directory:
                setting = Setting(
                    guard=name,
                    database=Path(directory, "rows.sqlite"),
                    body=scenario.body,
                    closes=scenario.closes,
                    cancellation=scenario.cancellation,
                    stays=scenario.stays,
                )
                values, _ = await trial(setting, clients)
                rows[name] = len(set(values))
        lines.append(
            {
                "scenario": scenario.name,
                "handler_cancellation": scenario.cancellation,
                "rows": rows,
            }
        )
    return {
        "clients": clients,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in GUARDS},
        "scenarios": lines,
    }


def table(figures: dict[str, Any]) -> str:
    """The figures side by side."""
    names = list(figures["versions"])
    width = max(len(line["scenario"]) for line in figures["scenarios"])
    head = f"{figures['clients']} clients post and hang up at once, then SIGTERM; rows written:"
    columns = "  ".join(f"{name:>19}" for name in names)
    lines = [head, "", f"{'':{width}}  {columns}"]
    for line in figures["scenarios"]:
        counts = "  ".join(f"{line['rows'][name]:>19}" for name in names)
        lines.append(f"{line['scenario']:{width}}  {counts}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--clients", type=int, default=2000, help="2,000 unless given")
    arguments = parser.parse_args()
    figures = asyncio.run(compare(arguments.clients, SCENARIOS))
    print(table(figures))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
