"""Requests in flight in their thousands expire on time, and leave no memory behind."""

import asyncio
import gc
import logging
import statistics
import sys
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from routeguard import rule, setup, timeout
from tests.support.extent import some
from tests.support.virtual import Wire

pytestmark = [pytest.mark.faults, pytest.mark.alone]

BATCH = 25
PAUSE = 0.007  # between batches, so that the loop is idle for most of the time
PROMISED = 0.05


@dataclass
class Lateness:
    """How late cancellations were, and how late the loop itself was meanwhile, in seconds."""

    requests: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    most: int = 0

    def __str__(self) -> str:
        late = sorted(1000 * one for one in self.requests)
        return (
            f"{self.most} requests in flight at once; cancelled after their deadlines: "
            f"median {statistics.median(late):.2f} ms, "
            f"99 % within {late[int(0.99 * len(late))]:.2f} ms, worst {late[-1]:.2f} ms; "
            f"a short sleep meanwhile was at worst {1000 * max(self.loop):.2f} ms late"
        )


async def watch(lateness: Lateness) -> None:
    """Measures the loop, and so the machine: by how much a short sleep is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        if lateness.requests:  # arriving is not what is measured
            lateness.loop.append(loop.time() - due)


async def flood(server: web.Server, path: str, count: int) -> None:
    """So many requests, each on a connection of its own; returns when all have been answered."""
    wires: list[Wire] = []
    for _ in range(count // BATCH):
        wires.extend(Wire(server).get(path) for _ in range(BATCH))
        await asyncio.sleep(PAUSE)
    while not all(wire.closed for wire in wires):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert all(wire.received.startswith(b"HTTP/1.1 504") for wire in wires)


@pytest.mark.parametrize(
    ("count", "seconds"),
    [
        some((2_500, 2.5), brief=(1_000, 1.0)),
        pytest.param(10_000, 8.0, marks=pytest.mark.nightly),
    ],
)
async def test_requests_in_flight_expire_on_time(
    count: int,
    seconds: float,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("aiohttp.server", "routeguard.timeout"):
        caplog.set_level(logging.CRITICAL, name)  # whose lines would all be kept
    lateness = Lateness()
    in_flight = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal in_flight
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        in_flight += 1
        lateness.most = max(lateness.most, in_flight)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if request.path == "/":
                lateness.requests.append(loop.time() - due)
            raise
        finally:
            in_flight -= 1
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    app.router.add_get("/warm-up", handler)
    setup(app, rule("/warm-up", timeout(0.1)), timeout(seconds))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    await flood(runner.server, "/warm-up", 1_000)
    gc.collect()
    blocks = sys.getallocatedblocks()
    watching = asyncio.create_task(watch(lateness))
    await flood(runner.server, "/", count)
    watching.cancel()
    gc.collect()
    lateness_kept = 2 * (len(lateness.requests) + len(lateness.loop))
    left = sys.getallocatedblocks() - blocks - lateness_kept
    with capsys.disabled():
        print(f"\n{lateness}; {left / count:.3f} blocks of memory left for each")
    await runner.cleanup()
    assert lateness.most >= 0.9 * count
    assert len(lateness.requests) == count
    # The handler looks at its clock a little after its time began to run.
    assert min(lateness.requests) > -PROMISED - max(lateness.loop)
    # On an idle machine this is the promise alone; a busy one is measured beside it.
    assert max(lateness.requests) < PROMISED + 3 * max(lateness.loop)
    assert left < count
