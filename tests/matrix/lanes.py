"""What is run: lanes, each of which runs some of the tests in one environment."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.matrix.environments import MAIN, Environment
from tests.matrix.project import ROOT, aiohttp_minors, floors

__all__ = ["THIS", "Lane", "lanes", "test_files"]

EVERYTHING = ("tests",)
BEHAVIOUR = ("tests/unit", "tests/server", "tests/faults")
WITHOUT_PROCESSES = ("tests/unit", "tests/server")

WAITING = (
    "tests/faults",
    "tests/server/body/test_expect.py",
    "tests/server/body/test_forms.py",
    "tests/server/body/test_log.py",
    "tests/server/body/test_slow.py",
    "tests/server/body/test_untouched.py",
    "tests/server/examples",
    "tests/server/memory/test_ended_requests.py",
    "tests/server/outside",
    "tests/server/shutdown",
    "tests/server/timeout",
)
"""What waits for most of its time: for servers that drain, and for clients that dawdle."""

LONG = {
    "tests/faults/test_behind_nginx.py": 8,
    "tests/faults/test_deploys.py": 20,
    "tests/faults/test_gunicorn.py": 5,
    "tests/faults/test_lost_writes.py": 12,
    "tests/faults/test_soak.py": 5,
    "tests/faults/test_stopping.py": 20,
    "tests/server/body/test_bombs.py": 5,
    "tests/server/body/test_log.py": 4,
    "tests/server/body/test_slow.py": 5,
    "tests/server/examples/test_tour.py": 4,
    "tests/server/timeout/test_client_reads_nothing.py": 8,
}
"""What takes how many times as long as its size tells."""

TOOLS = (
    "tests/server/command",
    "tests/server/examples",
    "tests/unit/test_packaging.py",
    "tests/unit/test_typing.py",
)
"""What has nothing to do with event loops and versions of aiohttp."""

OWN_LOOPS = ("tests/faults/test_deploys.py",)
"""What names the event loops of its servers, uvloop among them, and runs on each in every lane."""

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that runs everything."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Some of the tests, in one environment.

    Attributes:
        name: what varies.
        environment: where they run.
        paths: what they are.
        without: what is left out of them.
        options: of pytest.
        variables: environment variables.
    """

    name: str
    environment: Environment
    paths: Sequence[str] = BEHAVIOUR
    without: Sequence[str] = ()
    options: Sequence[str] = ("--brief",)
    variables: Mapping[str, str] = field(default_factory=dict)

    def files(self) -> list[str]:
        """The files with its tests, relative to the checkout."""
        left_out = set(test_files(*self.without))
        return [file for file in test_files(*self.paths) if file not in left_out]

    def command(self, *paths: str) -> list[str]:
        """What runs tests; -P: under test is what is installed, not the working directory."""
        python = str(self.environment.python)
        return [python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *self.options, *paths]

    def shares(self, count: int, *, waiting: bool) -> list[list[str]]:
        """Its files that wait, or the others, in so many shares that take about as long."""
        shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(count)]
        those = set(test_files(*WAITING))
        files = [file for file in self.files() if (file in those) == waiting]
        sizes = [(LONG.get(file, 1) * (ROOT / file).stat().st_size, file) for file in files]
        for size, file in sorted(sizes, reverse=True):
            so_far, files = min(shares)
            shares.remove((so_far, files))
            shares.append((so_far + size, [*files, file]))
        return [sorted(files) for _, files in shares if files]


def test_files(*paths: str) -> list[str]:
    """The files with tests that paths name, or that are below them."""
    found: list[Path] = []
    for path in paths:
        place = ROOT / path
        found += [place] if place.suffix else sorted(place.rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in found]


test_files.__test__ = False  # type: ignore[attr-defined]  # pytest is not to take it for a test


def lanes(pythons: Mapping[str, Path]) -> list[Lane]:
    """All lanes that can be run with these Pythons, which are found by their versions.

    The longest come first: what is short fills the gaps at the end.
    """
    others = {name: base for name, base in pythons.items() if name != THIS}
    by_python = {name: Environment(f".venv-{name}", base) for name, base in others.items()}
    lowest = min(pythons, key=_numbers)
    newest = max(pythons, key=_numbers)
    found = [Lane(f"Python {THIS}: everything", MAIN, EVERYTHING, options=())]
    found += [Lane(f"Python {name}", environment) for name, environment in by_python.items()]
    on_uvloop = ("--brief", "--loop", "uvloop")
    found.append(Lane("uvloop", MAIN, BEHAVIOUR, (*TOOLS, *OWN_LOOPS), on_uvloop))
    if _numbers(newest) >= (3, 12):
        name = f"eager tasks and debug mode, Python {newest}"
        eager = ("--brief", "--loop", "eager-debug")
        found.append(Lane(name, by_python.get(newest, MAIN), WITHOUT_PROCESSES, TOOLS, eager))
    environment = Environment(".venv-lowest", pythons[lowest], tuple(floors()))
    name = f"lowest versions, Python {lowest}"
    found.append(Lane(name, environment, WITHOUT_PROCESSES))
    off = {"ROUTEGUARD_FAST_LANE": "off"}
    found.append(Lane("without the fast lane", MAIN, ("tests/server",), TOOLS, variables=off))
    for minor in aiohttp_minors(version("aiohttp")):
        environment = Environment(f".venv-aiohttp-{minor}", pythons[THIS], (f"aiohttp=={minor}.*",))
        found.append(Lane(f"aiohttp {minor}", environment, ("tests/server",), TOOLS))
    return found


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split(".")))
