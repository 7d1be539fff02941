"""What `rate_limit` and `concurrency_limit` refuse to be given."""

import builtins
import importlib.util
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from routeguard import ConfigError, concurrency_limit, header_key, rate_limit
from routeguard.configuration import Faults
from routeguard.policies.rate_limit.redis_url import RedisPlace, read_store


def two(request: object, other: object) -> str:
    return ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rates": "ten"}, "rates: 'ten' is no rate"),
        ({"key": "X-Api-Key"}, "key='X-Api-Key' cannot be called with a request"),
        ({"key": header_key}, "key=header_key names no header: write header_key('X-Api-Key')"),
        ({"key": str}, "cannot be called with a request"),
        ({"key": two}, "key=two does not take one argument, the request"),
        ({"key": None}, "key=None cannot be called"),
        ({"name": 'a"b'}, "is no name: write 1 to 64 printable ASCII characters"),
        ({"on_failure": "refuse"}, "says what happens without the store, and there is none"),
        ({"on_failure": "crash", "store": "redis://h"}, "is none of local, allow, refuse"),
        ({"report_only": 1}, "report_only=1 is neither True nor False"),
        ({"store": "localhost"}, "store='localhost' is no URL"),
        ({"store": 6379}, "store=6379 is no URL"),
        ({"store": "memcached://h"}, "store='memcached://h': the scheme is none of redis, rediss"),
        ({"store": "redis://h/zero"}, "the path is no database's number"),
        ({"store": "redis://h:port"}, "store='redis://h:port'"),
        ({"store": "redis://:pw@"}, "store='redis://': '' is no host"),
        ({"store": "redis://h?colour=red"}, "colour"),
        ({"store": "redis://h?socket_timeout=soon"}, "socket_timeout"),
        ({"store": "unix://"}, "it names no socket"),
        ({"store": "redis+cluster://a,b:1/2"}, "a cluster has no numbered databases"),
        ({"store": "redis+cluster://a,,b"}, "'' is no host"),
        ({"store": "redis+cluster://a?x=y"}, "options are taken for one server only"),
        ({"store": "redis+sentinel://a:26379"}, "the service's name is missing"),
        ({"store": "redis+sentinel://a/shop/one"}, "is no database's number"),
    ],
)
def test_what_rate_limit_is_not_given(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rate_limit(**{"rates": "10/second", **options})
    assert said in str(caught.value)
    assert len(caught.value.faults) == 1
    assert "pw" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        rate_limit("ten", key=3, name="", store="x", on_failure="y", report_only=2)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 6
    with pytest.raises(ConfigError) as caught:
        concurrency_limit(0, waiting=-1, key=3, retry_after=0, report_only="no")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"running": 0}, "running=0 lets nobody in"),
        ({"running": True}, "running=True lets nobody in"),
        ({"running": 1.5}, "running=1.5 lets nobody in"),
        ({"waiting": -1}, "waiting=-1 is no number of requests"),
        ({"waiting": None}, "waiting=None is no number of requests"),
        ({"key": header_key}, "names no header"),
        ({"retry_after": 0}, "retry_after=0 is not a finite, positive time"),
        ({"retry_after": None}, "retry_after=None is no number"),
        ({"report_only": None}, "report_only=None is neither True nor False"),
    ],
)
def test_what_concurrency_limit_is_not_given(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        concurrency_limit(**{"running": 1, **options})
    assert said in str(caught.value)


def test_a_store_without_redis_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without_redis(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "redis" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_redis)
    with pytest.raises(ConfigError, match=r"pip install 'routeguard\[redis\]'"):
        rate_limit("10/second", store="redis://localhost")


def test_nothing_imports_redis_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any, **options: Any) -> Any:
        assert not name.startswith("redis"), name
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", importing)
    rate_limit("10/second")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://user:secret@localhost:6380/3?protocol=3", "redis://localhost:6380/3"),
        ("rediss://:secret@[::1]:6380", "rediss://[::1]:6380"),
        ("unix://:secret@/run/redis.sock?db=2", "unix:///run/redis.sock"),
        ("redis+cluster://u:secret@a:7000,b,[::1]:7001", "redis+cluster://a:7000,b,[::1]:7001"),
        ("rediss+sentinel://:secret@a,b:26380/shop/2", "rediss+sentinel://a,b:26380/shop/2"),
    ],
)
def test_urls_that_are_taken(url: str, shown: str) -> None:
    faults = Faults("rate_limit(...)")
    place = read_store(url, faults)
    faults.raise_any()
    assert place == RedisPlace(url)
    assert str(place) == shown


async def test_what_a_url_says_reaches_the_client() -> None:
    one = RedisPlace("redis://user:p%40ss@example.com:6380/3?socket_timeout=0.1").connect(0.25)
    options = one.client.connection_pool.connection_kwargs  # type: ignore[union-attr]
    assert (options["host"], options["port"], options["db"]) == ("example.com", 6380, 3)
    assert (options["username"], options["password"]) == ("user", "p@ss")
    assert options["retry"]._retries == 0
    await one.close()
    watched = RedisPlace("redis+sentinel://:p%40ss@a,b:26380/shop/2").connect(0.25)
    assert len(watched.sentinels) == 2
    options = watched.client.connection_pool.connection_kwargs  # type: ignore[union-attr]
    assert (options["db"], options["password"], options["socket_timeout"]) == (2, "p@ss", 0.25)
    await watched.close()
    cluster = RedisPlace("rediss+cluster://u:p%40ss@a:7000,b").connect(0.25)
    kept = cluster.client.connection_kwargs  # type: ignore[union-attr]
    assert (kept["username"], kept["password"]) == ("u", "p@ss")
    await cluster.close()
