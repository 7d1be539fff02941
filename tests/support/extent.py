"""How much is tried: all of it, or less with `pytest --brief`, where it is tried a second time.

Every behaviour is tried in any case; with fewer clients, with smaller floods, with some of the many
inputs that are alike.
"""

import os
import platform
import random
from collections.abc import Iterable
from importlib.metadata import version
from typing import TypeVar

__all__ = ["ENVIRONMENT", "is_brief", "part", "some"]

ENVIRONMENT = "ROUTEGUARD_TESTS_BRIEF"

T = TypeVar("T")


def is_brief() -> bool:
    return os.environ.get(ENVIRONMENT) == "on"


def some(whole: T, *, brief: T) -> T:
    """A number that is smaller in a brief run."""
    return brief if is_brief() else whole


def part(cases: Iterable[T], one_in: int) -> list[T]:
    """All cases; in a brief run one in so many, and other ones with other versions."""
    every = list(cases)
    if not is_brief() or not every:
        return every
    chance = random.Random(f"{platform.python_version()}, {version('aiohttp')}")
    kept = chance.sample(range(len(every)), -(-len(every) // one_in))
    return [every[at] for at in sorted(kept)]
