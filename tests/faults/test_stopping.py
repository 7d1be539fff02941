"""The sum by which the guide has a platform's patience set holds, for given numbers."""

import asyncio
import re

import pytest

from tests.support.forkserver import command
from tests.support.processes import PATIENCE, ROOT

pytestmark = pytest.mark.faults

SECONDS = re.compile(r"= ([\d.]+) s, .*\nmeasured: ([\d.]+) s")
SLACK = 2.5
"""Seconds for the process itself to end, on a machine that is busy; less than one more wait."""


async def measured(*others: str, **numbers: float) -> tuple[float, float]:
    """The sum, and what was measured."""
    options = [f"--{name.replace('_', '-')}={number}" for name, number in numbers.items()] + [
        *others
    ]
    process = await asyncio.create_subprocess_exec(
        *command(str(ROOT / "docs" / "stopping.py"), *options), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    found = SECONDS.search(said.decode())
    assert found is not None, said
    return float(found[1]), float(found[2])


@pytest.mark.parametrize(
    "numbers",
    [
        {"drain": 1, "shutdown_timeout": 3, "cleanup": 0.5},
        {"drain": 0, "shutdown_timeout": 4, "cleanup": 0},
        {"drain": 0, "shutdown_timeout": 5.5, "cleanup": 0},  # each wait is rounded up
    ],
    ids=str,
)
async def test_twice_the_shutdown_timeout_where_that_is_longer(numbers: dict[str, float]) -> None:
    longest, took = await measured(**numbers)
    twice = 2 * numbers["shutdown_timeout"] + numbers["cleanup"]
    assert longest >= twice
    assert twice <= took <= longest + SLACK


async def test_the_drain_where_that_is_longer() -> None:
    longest, took = await measured(drain=3, shutdown_timeout=1, cleanup=0.5)
    assert longest == 4.5
    assert 3.5 <= took <= longest + SLACK


async def test_streams_that_end_with_the_shutdown_are_not_in_the_sum() -> None:
    _, took = await measured("--until-shutdown", drain=1, shutdown_timeout=30)
    assert took <= 2 + SLACK
