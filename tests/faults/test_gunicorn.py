"""gunicorn replaces its workers: the work that they have begun is finished."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.trials import (
    GUNICORN,
    all_arrived,
    command,
    complaints,
    post_and_hang_up,
    written,
)
from tests.faults.writes import Setting
from tests.support.messages import request
from tests.support.processes import PATIENCE, Server, process
from tests.support.serving import Client

pytestmark = pytest.mark.faults

ROWS = 100


@contextlib.asynccontextmanager
async def gunicorn(by: str, setting: Setting, *options: str) -> AsyncIterator[Server]:
    """One worker behind one master, and the port that they share."""
    arguments, port, environment = command(setting, by, *options)
    async with process(*arguments, port=port, **environment) as server:
        yield server


@contextlib.asynccontextmanager
async def dialled(server: Server) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
    try:
        yield client
    finally:
        client.hang_up()


async def worker_of(server: Server) -> int:
    """The process that answers a new connection."""
    async with dialled(server) as client:
        answer = await client.send(request("GET", "/process", Connection="close")).answer()
    assert answer.status == 200
    return int(json.loads(answer.body))


async def replaced(server: Server, worker: int) -> int:
    """Asks until another worker answers.

    A connection may have come to the worker that goes in the moment in which aiohttp stops
    listening to its connections: it is then not answered.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(TimeoutError, EOFError, ConnectionError):
                async with asyncio.timeout(5):
                    if (now := await worker_of(server)) != worker:
                        return now
            await asyncio.sleep(0.05)


def setting_of(path: Path) -> Setting:
    return Setting("routeguard", path / "rows.sqlite", "late", "after", cancellation=True)


@pytest.mark.parametrize("by", GUNICORN)
async def test_a_reload_finishes_what_was_begun(by: str, tmp_path: Path) -> None:
    setting = setting_of(tmp_path)
    async with gunicorn(by, setting) as server:
        worker = await worker_of(server)
        await asyncio.to_thread(post_and_hang_up, server.port, ROWS)
        await all_arrived(server.port, ROWS)
        async with dialled(server) as waiting:
            waiting.post(f"/rows?value={ROWS}", json.dumps({"value": ROWS}).encode())
            await all_arrived(server.port, ROWS + 1)
            server.process.send_signal(signal.SIGHUP)
            assert await replaced(server, worker) != worker
            answer = await waiting.answer()
        assert (answer.status, json.loads(answer.body)) == (200, {"written": ROWS})
        said = await server.stop()
    assert written(setting.database) == list(range(ROWS + 1))
    assert complaints(said) == []
    assert server.process.returncode == 0


@pytest.mark.parametrize("by", GUNICORN)
async def test_a_worker_that_has_served_enough_finishes_what_was_begun(
    by: str, tmp_path: Path
) -> None:
    setting = setting_of(tmp_path)
    async with gunicorn(by, setting, f"--max-requests={ROWS}") as server:
        worker = await worker_of(server)
        await asyncio.to_thread(post_and_hang_up, server.port, ROWS)
        # The worker looks at its count once a second; what it has begun by then must be written.
        await replaced(server, worker)
        said = await server.stop()
    assert written(setting.database) == list(range(ROWS))
    assert complaints(said) == []
