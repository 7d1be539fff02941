"""A moving window in the memory of one process, exact and bounded.

In no window of a rate's length, wherever it begins, are more requests let through than the rate
says. A fixed window would let twice as many through around its boundary.
"""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
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

    __slots__ = ("_only", "_tables")

    def __init__(self, rates: Sequence[Rate], max_keys: int = MAX_KEYS) -> None:
        """Counts for one statement.

        Args:
            rates: one or several. A request counts against all of them, or against none.
            max_keys: about how many keys are kept for each rate.
        """
        self._tables = [
            (_Exact if rate.limit <= EXACT_UP_TO else _InParts)(rate, max_keys) for rate in rates
        ]
        self._only = self._tables[0] if len(rates) == 1 else None

    def __len__(self) -> int:
        return max(len(table) for table in self._tables)

    def hit(self, key: str, now: float) -> Verdict:
        """Counts one request, or refuses it, which counts nothing.

        Args:
            key: whose request it is.
            now: the time in seconds, by a clock that never goes back.
        """
        if (only := self._only) is not None:
            count = only.take(only.find(key, now), now)
            return (0.0 if count[0] >= 0 else count[1]), (count,)
        windows = [(table, table.find(key, now)) for table in self._tables]
        counts = [(table.left(kept, now), table.seconds(kept, now)) for table, kept in windows]
        wait = max([seconds for left, seconds in counts if not left], default=0.0)
        if wait:
            return wait, tuple([(left or -1, seconds) for left, seconds in counts])
        return 0.0, tuple([table.take(kept, now) for table, kept in windows])


class _Table(ABC):
    """The windows of one rate, by key.

    What is kept of a key is an array, which costs the garbage collector nothing. Keys stand in
    the order of their last use. Each new key takes up to two of the oldest out that count nothing
    any more. Where the bound is reached, the oldest goes in any case. Nothing ever walks over all
    keys.
    """

    __slots__ = ("_length", "_limit", "_max_keys", "_shards")

    def __init__(self, rate: Rate, max_keys: int) -> None:
        self._limit = rate.limit
        self._length = rate.window
        self._max_keys = -(-max_keys // SHARDS)
        self._shards: list[OrderedDict[str, array[float]]] = [OrderedDict() for _ in range(SHARDS)]

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def find(self, key: str, now: float) -> "array[float]":
        """What is kept of a key; made where there is nothing."""
        keys = self._shards[hash(key) % SHARDS]
        kept = keys.get(key)
        if kept is not None:
            keys.move_to_end(key)
            return kept
        for _ in range(2):
            oldest = next(iter(keys), None)
            if oldest is None:
                break
            if len(keys) < self._max_keys and not self._is_idle(keys[oldest], now):
                break
            del keys[oldest]
        kept = keys[key] = self._empty()
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
    def _empty(self) -> "array[float]": ...

    @abstractmethod
    def _is_idle(self, kept: "array[float]", now: float) -> bool: ...


class _Exact(_Table):
    """One rate, by the time of each request in the window."""

    __slots__ = ()

    def take(self, times: "array[float]", now: float) -> Count:
        if times and times[0] <= now - self._length:
            self._forget(times, now)
        left = self._limit - len(times) - 1
        if left >= 0:
            times.append(now)
        return left, times[0] + self._length - now

    def left(self, times: "array[float]", now: float) -> int:
        self._forget(times, now)
        return self._limit - len(times)

    def seconds(self, times: "array[float]", now: float) -> float:
        return times[0] + self._length - now if times else 0.0

    def _forget(self, times: "array[float]", now: float) -> None:
        del times[: bisect_right(times, now - self._length)]

    def _empty(self) -> "array[float]":
        return array("d")

    def _is_idle(self, times: "array[float]", now: float) -> bool:
        return not times or times[-1] <= now - self._length


class _InParts(_Table):
    """One rate, by a count for each part of the window.

    A part is counted until the last moment of it has left the window, so the rate is never
    exceeded. A place becomes free up to a part's length late. What is kept of a key is the count
    of the whole window, then number and count of each part.
    """

    __slots__ = ()

    def take(self, kept: "array[float]", now: float) -> Count:
        part = self._forget(kept, now)
        left = self._limit - int(kept[0]) - 1
        if left >= 0:
            kept[0] += 1
            if len(kept) > 1 and kept[-2] == part:
                kept[-1] += 1
            else:
                kept.extend((part, 1))
        return left, self.seconds(kept, now)

    def left(self, kept: "array[float]", now: float) -> int:
        self._forget(kept, now)
        return self._limit - int(kept[0])

    def seconds(self, kept: "array[float]", now: float) -> float:
        return (kept[1] + PARTS + 1) * self._length / PARTS - now if len(kept) > 1 else 0.0

    def _forget(self, kept: "array[float]", now: float) -> int:
        """Takes out the parts that have left the window; the number of the part that is now."""
        part = int(now * PARTS / self._length)
        gone = 1
        while gone < len(kept) and kept[gone] < part - PARTS:
            kept[0] -= kept[gone + 1]
            gone += 2
        if gone > 1:
            del kept[1:gone]
        return part

    def _empty(self) -> "array[float]":
        return array("d", (0,))

    def _is_idle(self, kept: "array[float]", now: float) -> bool:
        self._forget(kept, now)
        return len(kept) == 1
