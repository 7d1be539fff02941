"""The example: two processes that share a limit, as its first lines say."""

import asyncio
import json

import aiohttp

from tests.support.nginx import free_port
from tests.support.processes import process
from tests.support.redis import RedisServer


async def test_two_processes_count_together(redis: RedisServer) -> None:
    ports = [free_port(), free_port()]
    environments = [{"PORT": str(port), "REDIS_URL": redis.url} for port in ports]
    running = r"Running on http://127\.0\.0\.1:(\d+)"
    name = "examples.shared_limit"
    async with (
        process(name, port=running, **environments[0], PYTHONUNBUFFERED="1") as one,
        process(name, port=running, **environments[1], PYTHONUNBUFFERED="1") as other,
        aiohttp.ClientSession() as session,
    ):
        await asyncio.sleep(0.5)  # each has connected by then, or the counts would be two
        answers = []
        for number in range(12):
            port = (one, other)[number % 2].port
            async with session.get(f"http://127.0.0.1:{port}/quotes/tea") as answer:
                answers.append((answer.status, await answer.text()))
        assert [status for status, _ in answers] == [200] * 10 + [429] * 2
        assert len({json.loads(text)["by"] for status, text in answers if status == 200}) == 2
        for server in (one, other):
            assert "is away" not in await server.stop()
