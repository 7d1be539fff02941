"""Mixed load for a time, on one process: nothing grows, and all that was there before is after.

With `--soak` the time is ten minutes, otherwise seconds.
"""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.faults.load import Load
from tests.support.extent import some
from tests.support.processes import PATIENCE, process

pytestmark = pytest.mark.faults

CLIENTS = 40
SHORT, LONG = some(8.0, brief=3.0), 600.0  # seconds
WARM_UP = 2.0
SETTLED = {"tasks", "timers", "files", "shielded"}
MEGABYTE = 1_000_000
LOST = ("never retrieved", "was destroyed", "never awaited", "given up at shutdown")

# What is kept by keys that clients choose: its tables are bounded.
BOUNDED = {"Reached", "Unrouted"}

Vitals = dict[str, Any]


async def vitals(port: int) -> Vitals:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/vitals") as answer,
    ):
        found: Vitals = await answer.json()
        return found


async def settled(port: int, before: Vitals) -> Vitals:
    """How the server is when it has come to rest: as before, or for ever otherwise."""
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await vitals(port)
            if all(now[name] <= before[name] for name in SETTLED):
                return now
            await asyncio.sleep(0.2)


async def watch(port: int, seen: list[Vitals], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        seen.append(await vitals(port))


def quarters(seen: list[Vitals], name: str) -> list[float]:
    """The median of something in each quarter of the time."""
    size = len(seen) // 4
    parts = [sorted(one[name] for one in seen[i * size : (i + 1) * size]) for i in range(4)]
    return [part[size // 2] for part in parts]


async def test_nothing_grows(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = LONG if pytestconfig.getoption("soak") else SHORT
    seen: list[Vitals] = []
    async with process("tests.faults.soaked") as server:
        # What is made once is there before: connections, plans, code that specialises itself.
        await Load(server.port, seed=1).run(max(WARM_UP, seconds / 4), CLIENTS)
        await asyncio.sleep(1)
        before = await vitals(server.port)
        before = await settled(server.port, before)
        load = Load(server.port, seed=2)
        watching = asyncio.create_task(watch(server.port, seen, seconds / 40))
        await load.run(seconds, CLIENTS)
        watching.cancel()
        after = await settled(server.port, before)
        said = await server.stop()

    memory = quarters(seen, "memory")
    with capsys.disabled():
        print(f"\n{sum(load.did.values()):,} clients in {seconds:.0f} s: {dict(load.answered)}")
        for name in ("memory", "blocks", "tasks", "timers", "files"):
            print(f"{name}: {before[name]:,}, {quarters(seen, name)}, {after[name]:,}")
    assert min(load.did.values()) > 0
    assert len(load.did) == 11
    grown = {
        name: (before["objects"].get(name, 0), count)
        for name, count in after["objects"].items()
        if count > before["objects"].get(name, 0) and name not in BOUNDED
    }
    assert grown == {}
    for limit, sizes in after["tables"].items():
        assert max(sizes) <= int(limit)
    assert memory[3] < memory[1] + 4 * MEGABYTE + (memory[1] * 0.02)
    assert [line for line in said.splitlines() if any(sign in line for sign in LOST)] == []
