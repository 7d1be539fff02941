"""The Redis store by itself: what its script decides, and how it is asked."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from routeguard.configuration import Faults
from routeguard.policies.rate_limit.rates import read_rates
from routeguard.policies.rate_limit.redis_store import STORE_TIMEOUT, Question, RedisStore
from routeguard.policies.rate_limit.redis_url import RedisPlace
from routeguard.policies.rate_limit.window import Verdict, Windows
from tests.support.redis import RedisServer
from tests.support.serving import until


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisStore]:
    """A store that is connected."""
    store = RedisStore(RedisPlace(url), asyncio.get_running_loop())
    store.start()
    try:
        await until(lambda: store.state == "connected")
        yield store
    finally:
        await store.stop()


def question(rates: str, where: str = "here") -> Question:
    # Some of these would be told that a rate is never reached beside another.
    return Question(where, read_rates(rates, Faults("rates")))


async def ask(store: RedisStore, about: Question, key: str = "key") -> Verdict | None:
    future = store.ask(about, key)
    return None if future is None else await future


def without_time(verdict: Verdict | None) -> tuple[bool, list[int]]:
    assert verdict is not None
    wait, counts = verdict
    return wait == 0.0, [left for left, _ in counts]


@pytest.mark.parametrize(
    "rates",
    ["5/hour", "3/2 seconds; 5/minute; 8/hour", "2000/day", "3/second; 1500/hour", "1001/minute"],
)
async def test_it_decides_as_the_window_in_memory_does(redis: RedisServer, rates: str) -> None:
    faults = Faults("rates")
    windows = Windows(read_rates(rates, faults))
    async with connected(redis.url) as store:
        for _ in range(12):
            asked = question(rates)
            here = windows.hit("key", 1_000_000.0)
            assert without_time(await ask(store, asked)) == without_time(here)


async def test_the_seconds_are_those_of_the_window(redis: RedisServer) -> None:
    asked = question("1/10 seconds; 2000/100 seconds")
    async with connected(redis.url) as store:
        wait, counts = await ask(store, asked) or (None, ())
        assert wait == 0.0
        assert [left for left, _ in counts] == [0, 1999]
        assert 9.9 < counts[0][1] <= 10.0
        assert 99.9 < counts[1][1] <= 101.0
        wait, counts = await ask(store, asked) or (None, ())
        assert wait == counts[0][1]
        assert [left for left, _ in counts] == [-1, 1999]


async def test_a_place_becomes_free_by_the_servers_clock(redis: RedisServer) -> None:
    asked = question("2/second")
    async with connected(redis.url) as store:
        for _ in range(2):
            assert without_time(await ask(store, asked))[0]
        wait, _ = await ask(store, asked) or (0.0, ())
        assert 0.0 < wait <= 1.0
        await asyncio.sleep(wait + 0.01)
        assert without_time(await ask(store, asked))[0]


async def test_each_place_becomes_free_by_itself(redis: RedisServer) -> None:
    asked = question("2/second")
    async with connected(redis.url) as store:
        assert without_time(await ask(store, asked)) == (True, [1])
        await asyncio.sleep(0.5)
        assert without_time(await ask(store, asked)) == (True, [0])
        wait, _ = await ask(store, asked) or (0.0, ())
        assert wait < 0.5
        await asyncio.sleep(wait + 0.01)
        assert without_time(await ask(store, asked)) == (True, [0])  # the second is still there


async def test_parts_leave_the_window(redis: RedisServer) -> None:
    asked = question("1100/second")
    async with connected(redis.url) as store:
        verdicts: list[Verdict | None] = []
        for _ in range(12):
            futures = [store.ask(asked, "key") for _ in range(100)]
            verdicts += [await future for future in futures if future is not None]
        assert sum(without_time(one)[0] for one in verdicts) == 1100
        wait = max(wait for wait, _ in filter(None, verdicts))
        assert 0.0 < wait <= 1.01
        await asyncio.sleep(wait)
        assert without_time(await ask(store, asked))[0]
        counted = await redis.command("HGETALL", "routeguard:{here:key}:1100/1")
        kept = {
            (name if isinstance(name, str) else name.decode()): int(count)
            for name, count in counted.items()
        }
        parts = {int(name): count for name, count in kept.items() if name.isdigit()}
        assert kept["n"] == sum(parts.values())
        assert (kept["a"], kept["z"]) == (min(parts), max(parts))


async def test_every_key_expires_also_when_the_caller_is_cancelled(redis: RedisServer) -> None:
    asked = question("5/2 seconds; 2000/hour")
    async with connected(redis.url) as store:
        await ask(store, asked, "stays")
        leaving = asyncio.ensure_future(store.ask(asked, "leaves") or asyncio.sleep(0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        await ask(store, asked, "after")
    for key in await redis.command("KEYS", "*"):
        assert await redis.command("PTTL", key) > 0
    assert 0 < await redis.command("PTTL", "routeguard:{here:stays}:5/2") <= 2000


async def test_a_request_that_has_gone_before_it_was_asked_is_not_counted(
    redis: RedisServer,
) -> None:
    asked = question("5/hour")
    async with connected(redis.url) as store:
        for _ in range(20):
            future = store.ask(asked, "key")
            assert future is not None
            future.cancel()
        assert without_time(await ask(store, asked)) == (True, [4])


@pytest.mark.parametrize("key", ["a\udcff\udc80", "é", "}", "{", "a}b{c", "", "\0\r\n", "x" * 300])
async def test_keys_may_hold_anything(redis: RedisServer, key: str) -> None:
    asked = question("1/minute; 2/hour")
    async with connected(redis.url) as store:
        assert without_time(await ask(store, asked, key)) == (True, [0, 1])
        assert without_time(await ask(store, asked, key)) == (False, [-1, 1])
        assert without_time(await ask(store, asked, key + "2")) == (True, [0, 1])
        assert store.state == "connected"


async def test_limits_of_one_key_at_several_places_are_several(redis: RedisServer) -> None:
    async with connected(redis.url) as store:
        for where in ("rule 1", "rule 2"):
            assert without_time(await ask(store, question("1/hour", where)))[0]
            assert not without_time(await ask(store, question("1/hour", where)))[0]


async def test_three_hundred_at_once_without_falling_back(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How fast the answers come is the machine's affair, and this one is busy.
    monkeypatch.setattr("routeguard.policies.rate_limit.redis_store.STORE_TIMEOUT", 10.0)
    asked = question("100/minute; 2000/hour")
    async with connected(redis.url) as store:
        for wave in range(3):
            futures = [store.ask(asked, f"key {wave}") for _ in range(300)]
            verdicts = [await future for future in futures if future is not None]
            assert len(verdicts) == 300
            assert sum(without_time(one)[0] for one in verdicts) == 100
        clients = await redis.command("CLIENT", "LIST")
        assert str(clients).count("addr=") - str(clients).count("laddr=") == 2  # ours, and this


async def test_a_flushed_script_is_loaded_again(redis: RedisServer) -> None:
    asked = question("5/minute")
    async with connected(redis.url) as store:
        assert without_time(await ask(store, asked)) == (True, [4])
        await redis.command("SCRIPT", "FLUSH")
        futures = [store.ask(asked, "key") for _ in range(3)]
        verdicts = [await future for future in futures if future is not None]
        assert [without_time(one)[1] for one in verdicts] == [[3], [2], [1]]
        assert store.state == "connected"


async def test_a_clock_that_was_set_back_does_not_refuse_for_long(redis: RedisServer) -> None:
    asked = question("2/minute; 2000/minute")
    seconds, _ = await redis.command("TIME")
    later = (int(seconds) + 86_400) * 1_000_000
    for _ in range(2):
        await redis.command("RPUSH", "routeguard:{here:key}:2/60", later)
    part = later // 600_000
    await redis.command(
        *("HSET", "routeguard:{here:key}:2000/60", "n", 2000, "a", part, "z", part, part, 2000)
    )
    async with connected(redis.url) as store:
        assert without_time(await ask(store, asked)) == (True, [1, 1999])


async def test_a_blocked_event_loop_is_not_the_stores_fault(redis: RedisServer) -> None:
    asked = question("50/minute")
    async with connected(redis.url) as store:
        future = store.ask(asked, "key")
        assert future is not None
        await asyncio.sleep(0)  # the owner is woken, and sends
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(2 * STORE_TIMEOUT)  # noqa: ASYNC251  # as a handler that computes does
        assert without_time(await future) == (True, [49])
        assert store.state == "connected"


async def test_stopping_answers_those_who_wait(redis: RedisServer) -> None:
    store = RedisStore(RedisPlace(redis.url), asyncio.get_running_loop())
    store.start()
    await until(lambda: store.state == "connected")
    redis.freeze()
    try:
        waiting = store.ask(question("5/minute"), "key")
        assert waiting is not None
        async with asyncio.timeout(2 * STORE_TIMEOUT):
            await store.stop()
            assert await waiting is None
        assert store.ask(question("5/minute"), "key") is None
    finally:
        redis.thaw()


FILL = """
for i = tonumber(ARGV[3]), tonumber(ARGV[3]) + 9999 do
  local exact = 'routeguard:{here:' .. i .. '}:10/60'
  local parts = 'routeguard:{here:' .. i .. '}:2000/3600'
  redis.call('RPUSH', exact, ARGV[1])
  redis.call('PEXPIRE', exact, 600000)
  redis.call('HSET', parts, 'n', 1, 'a', ARGV[2], 'z', ARGV[2], ARGV[2], 1)
  redis.call('PEXPIRE', parts, 3600000)
end
"""


async def test_a_million_keys(redis: RedisServer) -> None:
    """What a key costs the server; and with a million of them it is asked as with none."""
    before = await _memory(redis)
    async with Redis(host="127.0.0.1", port=redis.port) as client:
        # The server fills itself; a million round trips would measure the client.
        for first in range(0, 500_000, 10_000):
            await client.eval(FILL, 0, *await _now(redis, 3600), str(first))
    assert await redis.command("DBSIZE") == 1_000_000
    assert (await _memory(redis) - before) / 1_000_000 < 400
    asked = question("10/minute; 2000/hour")
    async with connected(redis.url) as store:
        verdicts = [await ask(store, asked, str(number)) for number in range(0, 500_000, 5001)]
        assert {tuple(without_time(one)[1]) for one in verdicts} == {(8, 1998)}
        assert store.state == "connected"


async def _now(redis: RedisServer, window: int) -> tuple[str, str]:
    seconds, rest = await redis.command("TIME")
    now = int(seconds) * 1_000_000 + int(rest)
    return str(now), str(now * 100 // (window * 1_000_000))


async def _memory(redis: RedisServer) -> int:
    info = await redis.command("INFO", "memory")
    if isinstance(info, dict):
        return int(info["used_memory"])
    return int(str(info).split("used_memory:")[1].split()[0])
