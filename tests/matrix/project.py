"""What `pyproject.toml` says of versions and requirements."""

import re
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["EXTRAS", "ROOT", "SUPPORTED", "aiohttp_minors", "floors"]

ROOT = Path(__file__).resolve().parents[2]

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

SUPPORTED = tuple(
    found[1]
    for line in PROJECT["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line))
)
"""The Pythons that the classifiers name, lowest first."""

EXTRAS = tuple(PROJECT["optional-dependencies"])


def floors() -> list[str]:
    """The lower bound of each dependency, extras included, as pins."""
    pins, form = [], r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?>=([0-9.]+)(?:,<[0-9.]+)?"
    for requirement in sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"]):
        bounded = re.fullmatch(form, requirement)
        if bounded is None:
            raise ValueError(f"pyproject.toml: {requirement!r} is not of the form 'name>=version'")
        pins.append(f"{bounded[1]}=={bounded[2]}")
    # What aiohttp and yarl bring along, as old as the lowest Python has wheels of it.
    return [*pins, "multidict==6.0.5"]


def aiohttp_minors(newest: str) -> list[str]:
    """The minor versions of aiohttp between the lowest that is allowed and the newest."""
    [pin] = [pin for pin in floors() if pin.startswith("aiohttp==")]
    lowest = pin.removeprefix("aiohttp==")
    (major, low), (_, high) = (map(int, version.split(".")[:2]) for version in (lowest, newest))
    return [f"{major}.{minor}" for minor in range(low + 1, high)]
