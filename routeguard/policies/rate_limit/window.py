"""A moving window in the memory of one process, exact and bounded.

In no window of a rate's length, wherever it begins, are more requests let through than the rate
says. A fixed window would let twice as many through around its boundary.
"""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
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
"""How many keys one rate counts at most, in one process; the latest half of them at least."""


class Windows:
    """Counts requests by key; holds a bounded number of keys, whatever clients send."""

    __slots__ = ("_tables", "hit")

    def __init__(self, rates: Sequence[Rate], max_keys: int = MAX_KEYS) -> None:
        """Counts for one statement.

        Args:
            rates: one or several. A request counts against all of them, or against none.
            max_keys: how many keys are kept for each rate at most.
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

    What is kept of a key is an array, which costs the garbage collector nothing. Keys are in one of
    two generations: those of the current one have had a request since it began, those of the
    previous one have not. The current one is over when it is full, or when a new key comes after a
    request of its beginning has left the window. It is the previous one from then on; the keys of
    the one before are forgotten, two for each key that comes: all at once would take milliseconds.
    """

    __slots__ = (
        "_current",
        "_forgotten",
        "_full",
        "_idle",
        "_length",
        "_limit",
        "_previous",
        "_until",
    )

    def __init__(self, rate: Rate, max_keys: int) -> None:
        self._limit = rate.limit
        self._length = float(rate.window)
        # A part leaves the window up to its own length after the newest request in it.
        self._idle = rate.window * (1 + 1 / PARTS)
        self._full = max(1, max_keys // 2)
        self._until = 0.0
        self._current: dict[str, array[float]] = {}
        self._previous: dict[str, array[float]] = {}
        self._forgotten: dict[str, array[float]] = {}

    def __len__(self) -> int:
        return len(self._current) + len(self._previous) + len(self._forgotten)

    def hit(self, key: str, now: float) -> Verdict:
        """As `Windows.hit`, for this rate alone."""
        count = self.take(self.find(key, now), now)
        return (0.0 if count[0] >= 0 else count[1]), (count,)

    def find(self, key: str, now: float) -> "array[float]":
        """What is kept of a key; made where there is nothing."""
        kept = self._current.get(key)
        return self._enter(key, now) if kept is None else kept

    def _enter(self, key: str, now: float) -> "array[float]":
        """Takes a key into the current generation."""
        kept = self._previous.pop(key, None)
        is_over = kept is None and now >= self._until and not self._forgotten
        if is_over or len(self._current) >= self._full:
            self._forgotten, self._previous, self._current = self._previous, self._current, {}
            self._until = now + self._idle
        for _ in range(min(2, len(self._forgotten))):
            self._forgotten.popitem()
        if kept is None:
            kept = self._empty()
        self._current[key] = kept
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


class _Exact(_Table):
    """One rate, by the time of each request in the window."""

    __slots__ = ()

    def hit(self, key: str, now: float) -> Verdict:
        # As the base does it, in one piece: this is what most requests do.
        kept = self._current.get(key)
        if kept is None:
            kept = self._enter(key, now)
        kept.append(now)
        begin = now - self._length
        oldest = kept[0]
        if oldest <= begin:
            del kept[0]  # where requests come steadily, one leaves for each that comes
            oldest = kept[0]
            if oldest <= begin:
                self._forget(kept, now)
                oldest = kept[0]
        left = self._limit - len(kept)
        seconds = oldest - begin
        if left < 0:
            kept.pop()
            return seconds, ((left, seconds),)
        return 0.0, ((left, seconds),)

    def take(self, kept: "array[float]", now: float) -> Count:
        self._forget(kept, now)
        left = self._limit - len(kept) - 1
        if left >= 0:
            kept.append(now)
        return left, kept[0] + self._length - now

    def left(self, kept: "array[float]", now: float) -> int:
        self._forget(kept, now)
        return self._limit - len(kept)

    def seconds(self, kept: "array[float]", now: float) -> float:
        return kept[0] + self._length - now if kept else 0.0

    def _forget(self, kept: "array[float]", now: float) -> None:
        del kept[: bisect_right(kept, now - self._length)]

    def _empty(self) -> "array[float]":
        return array("d")


class _InParts(_Table):
    """One rate, by a count for each part of the window.

    A part is counted until the last moment of it has left the window, so the rate is never
    exceeded. A place becomes free up to a part's length late. First stands the count of the whole
    window, then number and count of each part.
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
        return left, (kept[1] + PARTS + 1) * self._length / PARTS - now

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
