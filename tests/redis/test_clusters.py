"""A cluster of three, and a failover that sentinels see to."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from routeguard import header_key, rate_limit
from tests.redis.load import limited, under_load
from tests.support.redis import RedisServer, redis_cluster
from tests.support.serving import until

# A healthy store answers within a quarter of a second, if the machine has time for it.
pytestmark = pytest.mark.alone

TWO_RATES = "3/hour; 5/day"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [one.message for one in caplog.records if one.levelno >= logging.WARNING]
    return ["away" if " is away: " in one else "back" for one in said if "the store" in one]


async def test_a_cluster_of_three(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_cluster(redis_server, tmp_path) as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        limit = rate_limit(TWO_RATES, store=url, key=header_key("X-Key"), name="shared")
        async with limited(limit) as server, aiohttp.ClientSession() as session:

            async def status(key: str) -> int:
                where = f"http://127.0.0.1:{server.port}/"
                async with session.get(where, headers={"X-Key": key}) as answer:
                    return answer.status

            await asyncio.sleep(0.5)
            for _ in range(3):
                wave = [status(f"key {number}") for number in range(100)]
                assert set(await asyncio.gather(*wave)) == {200}
            wave = [status(f"key {number}") for number in range(100)]
            assert set(await asyncio.gather(*wave)) == {429}
        probes = [await node.command("KEYS", "*probe*") for node in nodes]
        assert all(probes)  # each has been written to before any request came
        sizes = [await node.command("DBSIZE") for node in nodes]
        assert 200 < sum(sizes) <= 204  # two a key, and the probes'
        assert min(sizes) > 20  # all three have their share
    assert lines(caplog) == []


async def test_a_node_of_a_cluster_freezes(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_cluster(redis_server, tmp_path) as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        limits = [rate_limit("100000/hour", store=url, name=f"limit {i}") for i in range(6)]
        async with limited(*limits) as server, under_load(server.port) as load:
            await until(lambda: load.statuses[200] > 50)
            assert lines(caplog) == []
            nodes[1].freeze()
            try:
                await asyncio.sleep(1.5)
            finally:
                nodes[1].thaw()
            await until(lambda: lines(caplog)[-1:] == ["back"])
        load.check()
        assert lines(caplog)[:1] == ["away"]
        assert len(lines(caplog)) == 2


@asynccontextmanager
async def watched_over(
    program: str, directory: Path, main: RedisServer
) -> AsyncIterator[RedisServer]:
    """A sentinel that watches over a server."""
    directory.mkdir()  # noqa: ASYNC240
    configuration = directory / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor shop 127.0.0.1 {main.port} 1\n"
        f"sentinel down-after-milliseconds shop 500\n"
        f"sentinel failover-timeout shop 2000\n"
    )
    sentinel = RedisServer(program, directory, str(configuration), "--sentinel")
    await sentinel.start()
    try:
        yield sentinel
    finally:
        await sentinel.kill()


async def test_a_failover(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main = RedisServer(redis_server, tmp_path / "main")
    replica = RedisServer(redis_server, tmp_path / "replica")
    try:
        await main.start()
        await replica.start()
        await replica.command("REPLICAOF", "127.0.0.1", str(main.port))
        async with watched_over(redis_server, tmp_path / "sentinel", main) as sentinel:
            async with asyncio.timeout(20):
                while b"num-other" not in await _seen(sentinel):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            url = f"redis+sentinel://127.0.0.1:{sentinel.port}/shop/0"
            limit = rate_limit("100000/minute", store=url, name="shared")
            async with limited(limit) as server, under_load(server.port) as load:
                await until(lambda: load.statuses[200] > 50)
                assert lines(caplog) == []
                await main.kill()
                await until(lambda: lines(caplog) == ["away", "back"])
                counted = load.statuses[200]
                await until(lambda: load.statuses[200] > counted + 50)
            load.check()
            assert await replica.command("DBSIZE") == 2
            assert lines(caplog) == ["away", "back"]
    finally:
        await main.kill()
        await replica.kill()


async def _seen(sentinel: RedisServer) -> bytes:
    told = await sentinel.command("SENTINEL", "REPLICAS", "shop")
    return b"num-other" if told else b""
