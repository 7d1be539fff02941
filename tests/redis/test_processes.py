"""One limit, several processes: exactly as many pass as the rate says."""

import asyncio
import itertools
import json
from collections import Counter

import aiohttp
import pytest

from tests.redis.shared import LIMIT
from tests.support.nginx import free_port
from tests.support.processes import process
from tests.support.redis import RedisServer

ASKED = 300


async def ask(session: aiohttp.ClientSession, port: int, path: str = "/hello") -> tuple[int, str]:
    async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def statuses(ports: list[int], times: int) -> tuple[Counter[int], set[str]]:
    """The statuses of many requests at once, and the processes that let some of them pass."""
    # A connection for each request, or gunicorn's workers would not share them.
    connector = aiohttp.TCPConnector(limit=16, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        asking = [ask(session, ports[number % len(ports)]) for number in range(times)]
        answers = await asyncio.gather(*asking)
    passed = {text for status, text in answers if status == 200}
    return Counter(status for status, _ in answers), passed


async def connected(ports: list[int], processes: int) -> None:
    """Waits until the stores of so many processes are connected."""
    ready: set[int] = set()
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        for port in itertools.cycle(ports):
            _, text = await ask(session, port, "/state")
            process_id, is_connected = json.loads(text)
            ready |= {process_id} if is_connected else set()
            if len(ready) == processes:
                return
            await asyncio.sleep(0.01)


async def test_two_processes(redis: RedisServer) -> None:
    ports = [free_port(), free_port()]
    arguments = [("tests.redis.shared", redis.url, str(port)) for port in ports]
    async with process(*arguments[0]) as one, process(*arguments[1]) as other:
        await connected([one.port, other.port], 2)
        counted, passed = await statuses([one.port, other.port], ASKED)
        assert counted == {200: LIMIT, 429: ASKED - LIMIT}
        assert len(passed) == 2
        for server in (one, other):
            said = await server.stop()
            assert "Traceback" not in said and "is away" not in said
    assert await redis.command("PTTL", f"routeguard:{{hellos:127.0.0.1}}:{LIMIT}/3600") > 0


@pytest.mark.parametrize("preload", [False, True])
async def test_the_workers_of_gunicorn(redis: RedisServer, preload: bool) -> None:
    factory = "preloaded" if preload else "for_gunicorn"
    options = ["gunicorn", "--bind=127.0.0.1:0", "--workers=2", "--no-control-socket"]
    options += ["--worker-class=aiohttp.GunicornWebWorker", "--graceful-timeout=5"]
    options += ["--preload"] if preload else []
    listening = r"Listening at: http://127\.0\.0\.1:(\d+)"
    environment = {"STORE": redis.url, **({"PRELOADED": "yes"} if preload else {})}
    async with process(
        *options, f"tests.redis.shared:{factory}", port=listening, **environment
    ) as server:
        await connected([server.port], 2)
        counted, passed = await statuses([server.port], ASKED)
        assert counted == {200: LIMIT, 429: ASKED - LIMIT}
        assert len(passed) == 2
        said = await server.stop()
        assert "Traceback" not in said and "is away" not in said


async def test_seats_are_those_of_one_process(redis: RedisServer) -> None:
    ports = [free_port(), free_port()]
    arguments = [("tests.redis.shared", redis.url, str(port)) for port in ports]
    async with (
        process(*arguments[0]) as one,
        process(*arguments[1]) as other,
        aiohttp.ClientSession() as session,
    ):
        for port in (one.port, other.port):
            answers = await asyncio.gather(*[ask(session, port, "/slow") for _ in range(10)])
            assert Counter(status for status, _ in answers) == {200: 5, 503: 5}
        await one.stop()
        await other.stop()
