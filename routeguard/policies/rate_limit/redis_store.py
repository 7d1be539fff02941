"""Counts that all processes share, in Redis: never waited for longer than a bound.

One task owns the client and its connection. A request waits on a future of its own; it never
awaits the client, which may swallow a cancellation and wait for a minute. What the requests of
one moment ask goes out in one pipeline, so a burst needs no further connections.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, TypeAlias

from routeguard.policies.rate_limit.rates import LARGEST, Rate
from routeguard.policies.rate_limit.redis_url import RedisPlace
from routeguard.policies.rate_limit.window import EXACT_UP_TO, Verdict
from routeguard.quoting import quoted

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    Client: TypeAlias = Redis | RedisCluster

__all__ = ["STORE_TIMEOUT", "Question", "RedisStore", "StoreState"]

STORE_TIMEOUT = 0.25
"""Seconds that a request waits for the store, at most."""

QUICK = STORE_TIMEOUT / 2
"""Seconds within which a store must answer a probe: a request may come while one is asked."""

PROBE_EVERY = 0.5
"""Seconds between two attempts to reach a store that is away."""

CHECK_EVERY = 5.0
"""Seconds without a request after which the connection is tried, so that its end is noticed."""

BLOCKED = 0.02
"""Seconds by which a timer comes late where something blocks the event loop."""

CLOSING_TIME = 1.0
"""Seconds for closing the connection."""

LARGEST_BATCH = 500

SCRIPT = files(__package__).joinpath("moving_window.lua").read_text(encoding="ascii")
DIGEST = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()

StoreState = Literal["connecting", "connected", "away"]

logger: logging.Logger = logging.getLogger("routeguard.rate_limit")


class Question:
    """What one statement asks the store, for any key."""

    __slots__ = ("_arguments", "_suffixes", "_where")

    def __init__(self, where: str, rates: Sequence[Rate]) -> None:
        """The question whether a request is within some rates.

        Args:
            where: what the limit is known by in the store.
            rates: one or several.
        """
        self._where = where
        self._suffixes = [f"{rate.limit}/{rate.window}".encode() for rate in rates]
        self._arguments = [
            number
            for rate in rates
            for number in (rate.limit, rate.window * 1_000_000, int(rate.limit <= EXACT_UP_TO))
        ]

    def about(self, key: str) -> "tuple[bytes, tuple[int | bytes, ...]]":
        """What tells a key's slot in a cluster, and the arguments of the script."""
        # What clients send may hold bytes that are not UTF-8, as lone surrogates.
        tag = b"routeguard:{%s}:" % f"{self._where}:{key}".encode("utf-8", "surrogatepass")
        keys = [tag + suffix for suffix in self._suffixes]
        return tag, (len(keys), *keys, *self._arguments)


PROBE_RATE = Rate(LARGEST, 60)


class _Asked:
    """One request's question."""

    __slots__ = ("arguments", "future", "tag", "timer")

    def __init__(
        self,
        future: "asyncio.Future[Verdict | None]",
        tag: bytes,
        arguments: "tuple[int | bytes, ...]",
    ) -> None:
        self.future = future
        self.tag = tag
        self.arguments = arguments
        self.timer: asyncio.TimerHandle | None = None

    def answer(self, verdict: Verdict | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if not self.future.done():
            self.future.set_result(verdict)


class RedisStore:
    """One store, for one run of an application."""

    __slots__ = (
        "_asked",
        "_closing",
        "_in_flight",
        "_loop",
        "_place",
        "_tag",
        "_task",
        "_wake",
        "state",
    )

    def __init__(self, place: RedisPlace, loop: asyncio.AbstractEventLoop) -> None:
        self._place = place
        self._loop = loop
        self._asked: deque[_Asked] = deque()
        self._in_flight: Sequence[_Asked] = ()
        self._tag = b"routeguard:{probe}:"
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.state: StoreState = "connecting"
        """How it is with the connection; `"connecting"` only until the first attempt is over."""

    def start(self) -> None:
        """Begins to connect, in the background."""
        self._task = self._loop.create_task(self._own(), name=f"routeguard: {self._place.shown}")

    async def stop(self) -> None:
        """Closes the connection; whoever waits is answered `None`."""
        self._closing = True
        self._give_up()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSING_TIME)

    def ask(self, question: Question, key: str) -> "asyncio.Future[Verdict | None] | None":
        """Counts a request, or refuses it.

        Args:
            question: the statement's.
            key: whose request it is.

        Returns:
            A future of the verdict, which is `None` where the store did not answer in time; or
            `None` where the store is known to be away.
        """
        if self.state == "away":
            return None
        future: asyncio.Future[Verdict | None] = self._loop.create_future()
        asked = _Asked(future, *question.about(key))
        due = self._loop.time() + STORE_TIMEOUT
        asked.timer = self._loop.call_at(due, self._is_late, asked, due)
        self._asked.append(asked)
        self._wake.set()
        return future

    def _is_late(self, asked: _Asked, due: float) -> None:
        if asked.future.done():
            return
        if self._loop.time() - due > BLOCKED:
            # The event loop was blocked; the answer may be there, and nobody has looked yet.
            later = self._loop.time() + BLOCKED
            asked.timer = self._loop.call_at(later, self._is_late, asked, later)
            return
        asked.answer(None)
        self._fall(f"no answer within {STORE_TIMEOUT:g} s", asked.tag)

    def _rise(self) -> None:
        """From here on the store is asked."""
        if self._closing:
            return
        if self.state == "away":
            logger.warning("the store %s is back", self._place.shown)
        self.state = "connected"

    def _fall(self, reason: str, tag: bytes | None = None) -> None:
        """From here on the store is away, until a probe has been answered."""
        if tag is not None:
            self._tag = tag
        if self.state != "away" and not self._closing:
            logger.warning(
                "the store %s is away: limits go by their on_failure until it is back: %s",
                self._place.shown,
                reason,
            )
        self._give_up()

    def _give_up(self) -> None:
        self.state = "away"
        waiting = [*self._in_flight, *self._asked]
        self._in_flight = ()
        self._asked.clear()
        for asked in waiting:
            asked.answer(None)

    async def _own(self) -> None:
        """Connects, serves requests, and connects again, until the store is closed."""
        while not self._closing:
            try:
                connection = self._place.connect(STORE_TIMEOUT)
                try:
                    await self._probe(connection.client)
                    self._rise()
                    await self._serve(connection.client)
                finally:
                    await connection.close()
            except _FailedError as failed:
                self._fall(failed.reason, failed.tag)
            except Exception as error:  # redis-py raises what it likes, on whatever a server says
                self._fall(_reason(error))
            if self.state == "away" and not self._closing:
                await asyncio.sleep(PROBE_EVERY)

    async def _serve(self, client: "Client") -> None:
        """Asks what requests ask, until the store is away or the connection is to be made anew."""
        while self.state == "connected":
            while self._asked and self._asked[0].future.done():
                self._asked.popleft()  # cancelled: nobody waits for it
            if not self._asked:
                self._wake.clear()
                try:
                    async with asyncio.timeout(CHECK_EVERY):
                        await self._wake.wait()
                except TimeoutError:
                    if not await self._is_alive(client):
                        return
                continue
            batch: list[_Asked] = []
            while self._asked and len(batch) < LARGEST_BATCH:
                batch.append(self._asked.popleft())
            self._in_flight = batch
            await _send(client, batch)
            self._in_flight = ()

    async def _is_alive(self, client: "Client") -> bool:
        try:
            await self._probe(client)
        except Exception:  # servers and load balancers end quiet connections
            return False
        return True

    async def _probe(self, client: "Client") -> None:
        """Writes to the store, everywhere; a replica fails, and a server that is full.

        Raises:
            Exception: it cannot be reached, cannot be written to, or answers too slowly.
        """
        await self._write(client, [self._tag])  # this connects
        began = self._loop.time()
        await self._write(client, [self._tag, *_tags(client)])
        took = self._loop.time() - began
        if took > QUICK:
            raise _FailedError(f"it answers in {took:.2f} s only", self._tag)

    async def _write(self, client: "Client", tags: Sequence[bytes]) -> None:
        rate = (PROBE_RATE.limit, PROBE_RATE.window * 1_000_000, 0)
        batch = [
            _Asked(self._loop.create_future(), tag, (1, tag + b"probe", *rate)) for tag in tags
        ]
        await _send(client, batch)


def _tags(client: "Client") -> list[bytes]:
    """What leads to each server of a cluster; nothing, where there is only one server."""
    from redis.asyncio import RedisCluster  # an extra brings it

    if not isinstance(client, RedisCluster):
        return []
    servers = len(client.get_primaries())
    tags: dict[str, bytes] = {}
    for number in range(100 * servers):
        tag = f"routeguard:{{probe {number}}}:"
        node = client.get_node_from_key(tag)
        if node is not None:
            tags.setdefault(node.name, tag.encode())
        if len(tags) == servers:
            break
    return list(tags.values())


class _FailedError(Exception):
    """The store did not do what it was asked."""

    def __init__(self, reason: str, tag: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tag = tag


async def _send(client: "Client", batch: Sequence[_Asked]) -> None:
    """Asks the script, in one round trip, and answers those who have asked.

    Raises:
        _FailedError: an answer is missing, or was an error.
    """
    from redis.exceptions import NoScriptError  # an extra brings it

    unknown = []
    failed: tuple[str, bytes] | None = None
    for asked, result in await _answers(client, "EVALSHA", DIGEST, batch):
        if isinstance(result, NoScriptError):
            unknown.append(asked)  # another server, or SCRIPT FLUSH
        elif isinstance(result, list):
            asked.answer(_verdict(result))
        else:
            failed = failed or (_reason(result), asked.tag)
    if unknown:
        for asked, result in await _answers(client, "EVAL", SCRIPT, unknown):
            if isinstance(result, list):
                asked.answer(_verdict(result))
            else:
                failed = failed or (_reason(result), asked.tag)
    if failed is not None:
        raise _FailedError(*failed)


async def _answers(
    client: "Client", command: str, script: str, batch: Sequence[_Asked]
) -> Iterable[tuple[_Asked, object]]:
    pipeline = client.pipeline(transaction=False)
    for asked in batch:
        pipeline.execute_command(command, script, *asked.arguments)
    return zip(batch, await pipeline.execute(raise_on_error=False), strict=True)


def _verdict(answer: Sequence[int]) -> Verdict:
    counts = tuple([(answer[i], answer[i + 1] / 1e6) for i in range(1, len(answer), 2)])
    if answer[0]:
        return 0.0, counts
    return max(seconds for left, seconds in counts if left < 0), counts


def _reason(error: object) -> str:
    return quoted(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
