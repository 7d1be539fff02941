"""Where a Redis store is: what users write, as the clients of redis-py take it."""

import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from routeguard.configuration import Faults, shown

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["RedisPlace", "read_store"]

SCHEMES = {
    "redis": "one server",
    "rediss": "one server, over TLS",
    "unix": "one server, by its Unix socket",
    "redis+cluster": "a cluster, by some of its nodes",
    "rediss+cluster": "a cluster, over TLS",
    "redis+sentinel": "a server that sentinels watch over",
    "rediss+sentinel": "a server that sentinels watch over, over TLS",
}

EXAMPLES = (
    "write 'redis://localhost:6379/0', 'unix:///run/redis.sock', "
    "'redis+cluster://a:6379,b:6379' or 'redis+sentinel://a:26379,b:26379/mymaster/0'"
)

PORT = 6379
SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True, repr=False)
class RedisPlace:
    """Where a store is.

    Attributes:
        url: as it was written; it may hold a password.
    """

    url: str

    def __repr__(self) -> str:
        return self.shown

    @property
    def shown(self) -> str:
        """The URL as logs and explanations show it, without user, password and options."""
        scheme, _, rest = self.url.partition("://")
        place = rest.partition("?")[0]
        return f"{scheme}://{place.rpartition('@')[2]}"

    def connect(self, timeout: float) -> "Connection":
        """A client that keeps one connection (for each node, in a cluster); not connected yet.

        Args:
            timeout: seconds that the client waits for each answer.
        """
        from redis.asyncio import Redis, RedisCluster  # an extra brings it
        from redis.asyncio.cluster import ClusterNode
        from redis.asyncio.retry import Retry
        from redis.asyncio.sentinel import Sentinel
        from redis.backoff import NoBackoff

        parts = _split(self.url)
        # Whoever owns the client tries again by itself.
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "health_check_interval": 0,
        }
        kind = parts.scheme.partition("+")[2]
        if not kind:
            return Connection(Redis.from_url(self.url, single_connection_client=True, **options))
        hosts = _hosts(parts, SENTINEL_PORT if kind == "sentinel" else PORT)
        options |= _credentials(parts)
        if parts.scheme.startswith("rediss"):
            options["ssl"] = True
        if kind == "cluster":
            nodes = [ClusterNode(host, port) for host, port in hosts]
            return Connection(RedisCluster(startup_nodes=nodes, max_connections=1, **options))
        service, database = _service(parts)
        sentinels: Any = Sentinel(hosts, db=database, **options)  # type: ignore[no-untyped-call]
        return Connection(sentinels.master_for(service), tuple(sentinels.sentinels))


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and what it connects to besides.

    Attributes:
        client: what is asked.
        sentinels: clients of the sentinels that know where the server is.
    """

    client: "Redis | RedisCluster"
    sentinels: "tuple[Redis, ...]" = ()

    async def close(self) -> None:
        """Closes all connections, whatever state they are in."""
        for one in (self.client, *self.sentinels):
            with suppress(Exception):
                await one.aclose()


class _Parts(NamedTuple):
    """A URL in its parts; of the standard library's, brackets in a list of hosts are none."""

    scheme: str
    netloc: str
    path: str
    query: str


def _split(url: str) -> _Parts:
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    netloc, _, path = place.partition("/")
    return _Parts(scheme, netloc, path, query)


def read_store(store: object, faults: Faults) -> RedisPlace | None:
    """The place that a store's URL names; `None` for this process, or where a fault was noted."""
    if store is None:
        return None
    if not isinstance(store, str) or "://" not in store:
        faults.add(f"store={shown(store)} is no URL: {EXAMPLES}")
        return None
    place = RedisPlace(store)
    try:
        wrong = _what_is_wrong(_split(store))
    except ValueError as error:
        wrong = f"{error}: {EXAMPLES}"
    if wrong is None and importlib.util.find_spec("redis") is None:
        wrong = "redis-py is not installed: pip install 'routeguard[redis]'"
    if wrong is None and "+" not in place.url.partition("://")[0]:
        wrong = _wrong_options(store)
    if wrong is None:
        return place
    faults.add(f"store={place.shown!r}: {wrong}")
    return None


def _what_is_wrong(parts: _Parts) -> str | None:
    """What is wrong with a store's URL.

    Raises:
        ValueError: what is wrong with its hosts or its service.
    """
    if parts.scheme not in SCHEMES:
        return f"the scheme is none of {', '.join(SCHEMES)}"
    path = parts.path.strip("/")
    if parts.scheme == "unix":
        return None if path else "it names no socket: write 'unix:///run/redis.sock'"
    kind = parts.scheme.partition("+")[2]
    _hosts(parts, PORT)
    if kind == "sentinel":
        _service(parts)
    elif kind == "cluster" and path:
        return "a cluster has no numbered databases: leave the path out"
    elif path and not _is_number(path):
        return f"the path is no database's number: {EXAMPLES}"
    if kind and parts.query:
        return "options are taken for one server only: leave them out"
    return None


def _wrong_options(url: str) -> str | None:
    """What redis-py finds wrong with the options of a URL, such as one that it does not know."""
    from redis.asyncio import ConnectionPool

    try:
        ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _hosts(parts: _Parts, default: int) -> list[tuple[str, int]]:
    """The hosts and ports that a URL lists, one of them for a server alone.

    Raises:
        ValueError: one of them is none.
    """
    found = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        split = urlsplit(f"//{one}")
        if not split.hostname:
            raise ValueError(f"{one!r} is no host")
        found.append((split.hostname, split.port or default))
    return found


def _credentials(parts: _Parts) -> dict[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}


def _service(parts: _Parts) -> tuple[str, int]:
    """The service that sentinels watch over, and the number of the database.

    Raises:
        ValueError: there is no service, or the database is no number.
    """
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("the service's name is missing")
    if database and not _is_number(database):
        raise ValueError("what follows the service is no database's number")
    return unquote(service), int(database or 0)
