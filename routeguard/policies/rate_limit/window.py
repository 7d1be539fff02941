"""A moving window in the memory of one process, exact and bounded.

In no window of a rate's length, wherever it begins, are more requests let through than the rate
says. A fixed window would let twice as many through around its boundary.
"""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeAlias

from routeguard.policies.rate_limit.rates import Rate

__all__ = ["EXACT_UP_TO", "MAX_KEYS", "PARTS", "Count", "Verdict", "Windows"]

Count: TypeAlias = tuple[int, float]
"""How many requests remain of a rate, and in how many seconds the next place becomes free.

-1 remain where the request was refused.
"""

Verdict: TypeAlias = tuple[float, tuple[Count, ...]]
"""Seconds after which a refused request may come again (0.0: it passed); a count for each rate."""

EXACT_UP_TO = 1000
"""Up to this many requests a window, the time of each is kept."""

PARTS = 100
"""Beyond, requests are counted in so many parts of the window."""

MAX_KEYS = 100_000
"""How many keys one rate counts at once, in one process."""

SHARDS = 32
"""Dictionaries that share the keys. A dictionary of all of them would take 12 ms to grow."""


class Windows:
    """Counts requests by key; holds a bounded number of keys, whatever clients send."""

    __slots__ = ("_tables", "hit")

    def __init__(self, rates: Sequence[Rate], max_keys: int = MAX_KEYS) -> None:
        """Counts for one statement.

        Args:
            rates: one or several. A request counts against all of them, or against none.
            max_keys: about how many keys are kept for each rate.
        """
        self._tables = [
            (_Exact if rate.limit <= EXACT_UP_TO else _InParts)(rate, max_keys) for rate in rates
        ]
        self.hit: Callable[[str, float], Verdict] = (
            self._tables[0].hit if len(rates) == 1 else self._hit_all
        )
        """Counts one request of a key at a time, or refuses it, which counts nothing.

        The time is in seconds, by a clock that never goes back.
        """

    def __len__(self) -> int:
        return max(len(table) for table in self._tables)

    def _hit_all(self, key: str, now: float) -> Verdict:
        windows = [(table, table.find(key, now)) for table in self._tables]
        counts = [(table.left(kept, now), table.seconds(kept, now)) for table, kept in windows]
        wait = max([seconds for left, seconds in counts if not left], default=0.0)
        if wait:
            return wait, tuple([(left or -1, seconds) for left, seconds in counts])
        return 0.0, tuple([table.take(kept, now) for table, kept in windows])


class _Table(ABC):
    """The windows of one rate, by key.

    What is kept of a key is an array, which costs the garbage collector nothing. Its first number
    is the time of the last request, whether that passed or not. A hit changes the array and
    nothing else. Nothing ever walks over all keys: each new key looks at two of the oldest. Who
    counts nothing any more is taken out, who is in use still is moved to the end. Where the bound
    is reached, the one of the two goes that was used longer ago.
    """

    __slots__ = ("_idle", "_length", "_limit", "_max_keys", "_shards")

    def __init__(self, rate: Rate, max_keys: int) -> None:
        self._limit = rate.limit
        self._length = rate.window
        # A part leaves the window up to its own length after the newest request in it.
        self._idle = rate.window * (1 + 1 / PARTS)
        self._max_keys = -(-max_keys // SHARDS)
        self._shards: list[OrderedDict[str, array[float]]] = [OrderedDict() for _ in range(SHARDS)]

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def hit(self, key: str, now: float) -> Verdict:
        """As `Windows.hit`, for this rate alone."""
        count = self.take(self.find(key, now), now)
        return (0.0 if count[0] >= 0 else count[1]), (count,)

    def find(self, key: str, now: float) -> "array[float]":
        """What is kept of a key; made where there is nothing."""
        kept = self._shards[hash(key) % SHARDS].get(key)
        if kept is None:
            return self._enter(key, now)
        kept[0] = now
        return kept

    def _enter(self, key: str, now: float) -> "array[float]":
        keys = self._shards[hash(key) % SHARDS]
        oldest = [one for one, _ in zip(keys, range(2), strict=False)]
        gone = [one for one in oldest if keys[one][0] <= now - self._idle]
        if not gone and len(keys) >= self._max_keys:
            gone = [min(oldest, key=lambda one: keys[one][0])]
        for one in oldest:
            if one in gone:
                del keys[one]
            else:
                keys.move_to_end(one)
        kept = keys[key] = self._empty(now)
        return kept

    @abstractmethod
    def take(self, kept: "array[float]", now: float) -> Count:
        """Counts a request, where a place is free."""

    @abstractmethod
    def left(self, kept: "array[float]", now: float) -> int:
        """How many more requests pass now."""

    @abstractmethod
    def seconds(self, kept: "array[float]", now: float) -> float:
        """In how many seconds the oldest request leaves the window; 0.0 where there is none."""

    @abstractmethod
    def _empty(self, now: float) -> "array[float]": ...


class _Exact(_Table):
    """One rate, by the time of each request in the window."""

    __slots__ = ()

    def hit(self, key: str, now: float) -> Verdict:
        # As the base does it, in one piece: this is what most requests do.
        kept = self._shards[hash(key) % SHARDS].get(key)
        if kept is None:
            kept = self._enter(key, now)
        else:
            kept[0] = now
            if len(kept) > 1 and kept[1] <= now - self._length:
                self._forget(kept, now)
        left = self._limit - len(kept)
        if left < 0:
            seconds = kept[1] + self._length - now
            return seconds, ((left, seconds),)
        kept.append(now)
        return 0.0, ((left, kept[1] + self._length - now),)

    def take(self, kept: "array[float]", now: float) -> Count:
        self._forget(kept, now)
        left = self._limit - len(kept)
        if left >= 0:
            kept.append(now)
        return left, kept[1] + self._length - now

    def left(self, kept: "array[float]", now: float) -> int:
        self._forget(kept, now)
        return self._limit - len(kept) + 1

    def seconds(self, kept: "array[float]", now: float) -> float:
        return kept[1] + self._length - now if len(kept) > 1 else 0.0

    def _forget(self, kept: "array[float]", now: float) -> None:
        del kept[1 : bisect_right(kept, now - self._length, 1)]

    def _empty(self, now: float) -> "array[float]":
        return array("d", (now,))


class _InParts(_Table):
    """One rate, by a count for each part of the window.

    A part is counted until the last moment of it has left the window, so the rate is never
    exceeded. A place becomes free up to a part's length late. After the time of the last request
    stands the count of the whole window, then number and count of each part.
    """

    __slots__ = ()

    def take(self, kept: "array[float]", now: float) -> Count:
        part = self._forget(kept, now)
        left = self._limit - int(kept[1]) - 1
        if left >= 0:
            kept[1] += 1
            if len(kept) > 2 and kept[-2] == part:
                kept[-1] += 1
            else:
                kept.extend((part, 1))
        return left, (kept[2] + PARTS + 1) * self._length / PARTS - now

    def left(self, kept: "array[float]", now: float) -> int:
        self._forget(kept, now)
        return self._limit - int(kept[1])

    def seconds(self, kept: "array[float]", now: float) -> float:
        return (kept[2] + PARTS + 1) * self._length / PARTS - now if len(kept) > 2 else 0.0

    def _forget(self, kept: "array[float]", now: float) -> int:
        """Takes out the parts that have left the window; the number of the part that is now."""
        part = int(now * PARTS / self._length)
        gone = 2
        while gone < len(kept) and kept[gone] < part - PARTS:
            kept[1] -= kept[gone + 1]
            gone += 2
        if gone > 2:
            del kept[2:gone]
        return part

    def _empty(self, now: float) -> "array[float]":
        return array("d", (now, 0))
