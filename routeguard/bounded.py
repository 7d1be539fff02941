"""A dictionary of bounded size, for what is kept by keys that clients choose."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["LONGEST_KEY", "Bounded"]

LONGEST_KEY = 512
"""How many characters a key may have in all that clients choose; nothing is kept by longer ones."""

V = TypeVar("V")


class Bounded(Generic[V]):
    """A dictionary that forgets the oldest entry when it is full."""

    __slots__ = ("_entries", "_limit", "get")

    def __init__(self, limit: int) -> None:
        self._entries: dict[Hashable, V] = {}
        self._limit = limit
        self.get: Callable[[Hashable], V | None] = self._entries.get
        """The value of a key; `None` where nothing is kept."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: Hashable, value: V) -> None:
        if len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value
