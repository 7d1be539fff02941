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

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that runs everything."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Some of the tests, in one environment.

    Attributes:
        name: what varies.
        environment: where they run.
        paths: what they are.
        options: of pytest.
        variables: environment variables.
    """

    name: str
    environment: Environment
    paths: Sequence[str] = BEHAVIOUR
    options: Sequence[str] = ("--brief",)
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, *paths: str) -> list[str]:
        """What runs tests; -P: under test is what is installed, not the working directory."""
        python = str(self.environment.python)
        return [python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *self.options, *paths]

    def shares(self, count: int) -> list[list[str]]:
        """Its files in so many shares of about the same size; none of them is left out."""
        shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(count)]
        for size, file in sorted(_sizes(self.paths), reverse=True):
            so_far, files = min(shares)
            shares.remove((so_far, files))
            shares.append((so_far + size, [*files, file]))
        return [sorted(files) for _, files in shares if files]


def _sizes(paths: Sequence[str]) -> list[tuple[int, str]]:
    return [((ROOT / file).stat().st_size, file) for file in test_files(*paths)]


def test_files(*paths: str) -> list[str]:
    """The files with tests below some folders, relative to the checkout."""
    return [
        str(found.relative_to(ROOT))
        for path in paths
        for found in sorted(Path(ROOT, path).rglob("test_*.py"))
    ]


test_files.__test__ = False  # type: ignore[attr-defined]  # pytest is not to take it for a test


def lanes(pythons: Mapping[str, Path]) -> list[Lane]:
    """All lanes that can be run with these Pythons, which are found by their versions.

    The longest come first: what is short fills the gaps at the end.
    """
    others = {name: base for name, base in pythons.items() if name != THIS}
    by_python = {name: Environment(f".venv-{name}", base) for name, base in others.items()}
    lowest = min(pythons, key=_numbers)
    newest = max(pythons, key=_numbers)
    found = [Lane(f"Python {THIS}: everything", MAIN, EVERYTHING, ())]
    found += [Lane(f"Python {name}", environment) for name, environment in by_python.items()]
    if _numbers(newest) >= (3, 12):
        environment = by_python.get(newest, MAIN)
        eager = ("--brief", "--loop", "eager-debug")
        found.append(
            Lane(f"eager tasks and debug mode, Python {newest}", environment, options=eager)
        )
    found.append(Lane("uvloop", MAIN, options=("--brief", "--loop", "uvloop")))
    found.append(Lane("without the fast lane", MAIN, variables={"ROUTEGUARD_FAST_LANE": "off"}))
    environment = Environment(".venv-lowest", pythons[lowest], tuple(floors()))
    found.append(
        Lane(f"lowest versions, Python {lowest}", environment, ("tests/unit", "tests/server"))
    )
    for minor in aiohttp_minors(version("aiohttp")):
        pins = (f"aiohttp=={minor}.*",)
        environment = Environment(f".venv-aiohttp-{minor}", pythons[THIS], pins)
        found.append(Lane(f"aiohttp {minor}", environment, ("tests/server",)))
    return found


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split(".")))
