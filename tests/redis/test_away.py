"""Redis that is slow, frozen, killed, full or read-only, under load: no request fails or hangs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from routeguard import errors, rate_limit, shield, timeout
from tests.redis.load import Load, limited, under_load
from tests.support.certificate import make_certificate
from tests.support.nginx import free_port
from tests.support.redis import Link, RedisServer, redis_serving
from tests.support.serving import until


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the store, shortened."""
    said = [one.message for one in caplog.records if one.levelno >= logging.WARNING]
    assert all("the store redis://127.0.0.1:" in one for one in said), said
    return ["away" if " is away: " in one else "back" for one in said]


Trouble = Callable[[RedisServer], Awaitable[None]]


async def frozen(redis: RedisServer) -> None:
    redis.freeze()
    await asyncio.sleep(1.2)
    redis.thaw()


async def killed(redis: RedisServer) -> None:
    await redis.kill()
    await asyncio.sleep(1.2)
    await redis.start()


async def read_only(redis: RedisServer) -> None:
    await redis.command("REPLICAOF", "127.0.0.1", "1")
    await asyncio.sleep(1.2)
    await redis.command("REPLICAOF", "NO", "ONE")


async def out_of_memory(redis: RedisServer) -> None:
    await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await redis.command("CONFIG", "SET", "maxmemory", "1mb")
    await asyncio.sleep(1.2)
    await redis.command("CONFIG", "SET", "maxmemory", "0")


async def busy(redis: RedisServer) -> None:
    spin = "local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < 2 do end return 'OK'"
    await redis.command("EVAL", spin, "0")


@pytest.mark.parametrize("trouble", [frozen, killed, read_only, out_of_memory, busy])
@pytest.mark.parametrize("policies", [[], [shield, errors(), timeout(5)]])
async def test_counting_goes_on_in_this_process(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, trouble: Trouble, policies: list[object]
) -> None:
    limit = rate_limit("100000/minute", store=redis.url)
    async with limited(limit, *policies) as server, under_load(server.port) as load:  # type: ignore[arg-type]
        await until(lambda: load.statuses[200] > 50)
        assert lines(caplog) == []
        await trouble(redis)
        await until(lambda: "back" in lines(caplog))
        counted = load.statuses[200]
        await until(lambda: load.statuses[200] > counted + 50)
    load.check()
    assert load.statuses[429] == 0
    assert lines(caplog) == ["away", "back"]


@pytest.mark.parametrize(
    ("on_failure", "statuses"),
    [("local", [200, 200, 429, 429]), ("allow", [200] * 4), ("refuse", [429] * 4)],
)
async def test_what_happens_while_it_is_away(
    redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    on_failure: str,
    statuses: list[int],
) -> None:
    limit = rate_limit("2/hour", store=redis.url, on_failure=on_failure)  # type: ignore[arg-type]
    async with limited(limit) as server, aiohttp.ClientSession() as session:
        load = Load(server.port)
        assert [await load.ask(session) for _ in range(3)] == [200, 200, 429]
        await redis.kill()
        assert [await load.ask(session) for _ in range(4)] == statuses
        await redis.start()
        await until(lambda: "back" in lines(caplog))
        # It came back empty.
        assert [await load.ask(session) for _ in range(3)] == [200, 200, 429]
    load.check()


async def test_the_fields_while_it_is_away(redis: RedisServer) -> None:
    async def fields(on_failure: str) -> tuple[str | None, ...]:
        limit = rate_limit("2/hour", store=redis.url, on_failure=on_failure)  # type: ignore[arg-type]
        async with limited(limit) as server, aiohttp.ClientSession() as session:
            names = ("RateLimit-Policy", "RateLimit", "Retry-After")
            async with session.get(f"http://127.0.0.1:{server.port}/") as answer:
                return tuple(answer.headers.get(name) for name in names)

    await redis.kill()
    policy = '"2/hour";q=2;w=3600'
    assert await fields("local") == (policy, '"2/hour";r=1;t=3600', None)
    assert await fields("allow") == (policy, None, None)
    assert await fields("refuse") == (policy, None, "1")


@pytest.mark.parametrize("delay", [0.02, 0.1])
async def test_a_slow_link_that_is_fast_enough_is_used(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, delay: float
) -> None:
    async with Link(redis.port) as link:
        link.delay = delay
        limit = rate_limit("100000/minute", store=link.url)
        async with limited(limit) as server:
            await asyncio.sleep(1.0)
            async with under_load(server.port) as load:
                await until(lambda: load.statuses[200] > 100)
    load.check()
    assert lines(caplog) == []
    assert await redis.command("DBSIZE") == 2  # the count, and the probe's


@pytest.mark.parametrize("delay", [0.3, 0.8])
async def test_a_link_that_is_too_slow_is_not_waited_for(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, delay: float
) -> None:
    async with Link(redis.port) as link:
        limit = rate_limit("100000/minute", store=link.url)
        async with limited(limit) as server, under_load(server.port) as load:
            await until(lambda: load.statuses[200] > 50)
            link.delay = delay
            await until(lambda: lines(caplog) == ["away"])
            await asyncio.sleep(1.5)
            link.delay = 0.2  # in time for one, but not for who comes while one is asked
            await asyncio.sleep(2.5)
            assert lines(caplog) == ["away"]
            link.delay = 0.0
            await until(lambda: lines(caplog) == ["away", "back"])
    load.check()


async def test_it_is_not_there_at_the_start(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis = RedisServer(redis_server, tmp_path)
    limit = rate_limit("100000/minute", store=redis.url)
    async with limited(limit) as server, under_load(server.port) as load:
        await until(lambda: load.statuses[200] > 50)
        assert lines(caplog) == ["away"]
        await redis.start()
        try:
            await until(lambda: lines(caplog) == ["away", "back"])
        finally:
            await redis.kill()
    load.check()


async def test_a_password_reaches_neither_log_nor_repr(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_serving(redis_server, tmp_path) as redis:
        await redis.command("CONFIG", "SET", "requirepass", "right")
        right = f"redis://:right@127.0.0.1:{redis.port}/0"
        wrong = f"redis://:wrong-secret@127.0.0.1:{redis.port}/0"
        async with aiohttp.ClientSession() as session:
            for url, said in ((right, []), (wrong, ["away"])):
                limit = rate_limit("2/hour", store=url)
                assert "secret" not in repr(limit)
                async with limited(limit) as server:
                    load = Load(server.port)
                    assert await load.ask(session) == 200
                    await asyncio.sleep(0.3)
                assert lines(caplog) == said
    assert "secret" not in caplog.text


async def test_two_limits_at_one_url_have_one_connection(redis: RedisServer) -> None:
    limits = [rate_limit("5/hour", name=name, store=redis.url) for name in ("a", "b")]
    async with limited(*limits) as server, aiohttp.ClientSession() as session:
        load = Load(server.port)
        assert await load.ask(session) == 200
        assert await redis.command("DBSIZE") == 3
        clients = str(await redis.command("CLIENT", "LIST"))
        assert clients.count("laddr=") + clients.count("'laddr'") == 2  # one is this question's


async def test_over_tls(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = make_certificate(tmp_path)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key)]
    async with redis_serving(redis_server, tmp_path, *options) as redis:
        url = f"rediss://localhost:{port}/0?ssl_ca_certs={made.certificate}"
        async with limited(rate_limit("5/hour", store=url)) as server:
            await asyncio.sleep(0.5)
            async with aiohttp.ClientSession() as session:
                assert await Load(server.port).ask(session) == 200
        assert await redis.command("DBSIZE") == 2
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_by_a_unix_socket(
    redis_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "redis.sock"
    async with redis_serving(redis_server, tmp_path, "--unixsocket", str(path)) as redis:
        async with limited(rate_limit("5/hour", store=f"unix://{path}?db=3")) as server:
            await asyncio.sleep(0.5)
            async with aiohttp.ClientSession() as session:
                assert await Load(server.port).ask(session) == 200
        assert "db3" in str(await redis.command("INFO", "keyspace"))
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
