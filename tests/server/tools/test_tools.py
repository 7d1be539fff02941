"""Tools that watch an application see every answer, wherever and whenever they were put into it."""

import importlib.util
from collections.abc import Callable
from importlib.metadata import version

import pytest
from packaging.version import Version

from tests.server.tools.cases import ARRANGEMENTS, CASES, Case
from tests.server.tools.table import FILE, found_by, table
from tests.server.tools.tools import SHOWN, TOOLS

NEEDS = {"Datadog": "ddtrace"}

# Before, it named spans after the path that was asked for, and a redirect was an error.
RECENT = Version("0.63b0")
INSTRUMENTED = Version(version("opentelemetry-instrumentation-aiohttp-server"))

# What a tool calls a request, from method, mount prefix, route and status.
NAMES: dict[str, Callable[[Case, str], str]] = {
    "OpenTelemetry": lambda case, prefix: f"{case.method} {_route(case, prefix)}".strip(),
    "Prometheus": lambda case, prefix: f"{case.method} {_route(case, prefix)}".strip(),
    "request ids": lambda case, prefix: "",
    # It does not know the patterns of static files.
    "Sentry": lambda case, prefix: (
        f"{case.method} "
        f"{'None' if case.path.startswith('/static') else _route(case, prefix) or 'None'}"
    ),
    "Sentry, by handler": lambda case, prefix: _handler(case),
    "Datadog": lambda case, prefix: (
        f"{case.method} {_route(case, prefix)}" if case.route else str(case.status)
    ),
}


# A tool adds handlers to loggers and changes their level, and leaves it so.
pytestmark = pytest.mark.usefixtures("loggers_as_before")


def _route(case: Case, prefix: str) -> str:
    return "" if case.route is None else prefix + case.route


def _handler(case: Case) -> str:
    if case.route is None:
        return "aiohttp.web_urldispatcher.SystemRoute._handle"
    if case.route == "/static":
        return "aiohttp.web_urldispatcher.StaticResource._handle"
    return f"tests.server.tools.cases.{HANDLERS.get(case.route, 'fine')}"


HANDLERS = {
    "/items/{id}": "missing",
    "/slow": "slow",
    "/slow/answered": "slow_and_answered",
    "/stream": "stream",
}


def lines(case: Case) -> set[str]:
    """The loggers that have a line about a case."""
    by_name = {
        "504 of a timeout": {"routeguard.timeout"},
        "504 that an error handler answers": {"routeguard.errors"},
        "403 of csrf": {"routeguard.csrf"},
        "preflight, refused": {"routeguard.cors"},
    }
    return {"aiohttp.access"} | by_name.get(case.name, set())


@pytest.mark.parametrize("tool", TOOLS)
def test_every_answer_is_seen_once_with_its_status(tool: str) -> None:
    needed(tool)
    found = found_by(tool)
    assert {name.partition(",")[0] for name in found} == set(ARRANGEMENTS)
    assert {"before", "after"} <= {name.partition(", ")[2] for name in found}
    for arrangement, cases in found.items():
        prefix = "" if arrangement.startswith("root") else "/sub"
        for case in CASES:
            where = f"{arrangement}: {case.name}"
            seen = cases[case.name]["seen"]
            assert cases[case.name]["status"] == case.status, where
            # A mounted application that is instrumented has a span of its own inside the first.
            assert len(seen) == 1 or (tool == "OpenTelemetry" and prefix), where
            outermost = seen[-1]
            status = case.status if tool == "Datadog" else case.shown
            assert outermost["status"] == status, where
            if tool == "OpenTelemetry" and INSTRUMENTED < RECENT:
                continue
            assert outermost["name"] == NAMES[tool](case, prefix), where
            if tool == "OpenTelemetry":
                assert outermost["more"] == ("ERROR" if case.status >= 500 else "UNSET"), where
            elif tool.startswith("Sentry"):
                assert bool(outermost["more"]) == (case.status >= 500), where
            elif tool == "request ids":
                assert set(outermost["more"].split()) == lines(case), where
                assert cases[case.name]["request id"] == (case.path != "/stream"), where


def test_the_table_of_the_documentation_is_what_was_seen() -> None:
    for tool in SHOWN:
        needed(tool)
    written, seen = columns(FILE.read_text(encoding="utf-8")), columns(table(SHOWN))
    if INSTRUMENTED < RECENT:
        del written["OpenTelemetry"], seen["OpenTelemetry"]
    assert written == seen, "run python -m tests.server.tools.table"


def columns(text: str) -> dict[str, list[str]]:
    """A table's cells by its head."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {head: [row[at] for row in rows] for at, head in enumerate(rows[0])}


def needed(tool: str) -> None:
    name = NEEDS.get(tool)
    if name is not None and importlib.util.find_spec(name) is None:
        pytest.skip(f"needs {name}, which is not installed: pip install {name}")
