"""What dynamic routes are asked for: ids that were never seen before, and ids as Zipf has them."""

import itertools
from collections.abc import Callable, Iterable
from functools import cache
from random import Random

from .scenarios import compose

IDS = 100_000
"""How many ids the Zipf distribution chooses from."""
DIGITS = 9
_DRAWN = 1_000

_never_seen = itertools.count()
"""One count for all lanes of a process: what one has asked for no other asks for again."""

Requests = Callable[[int], Iterable[bytes]]
"""The requests to an application of a given size."""


def _around(path: str) -> tuple[bytes, bytes]:
    before, _, after = compose("GET", path).partition(b"{id}")
    return before, after


def new_ids(path: str) -> Requests:
    """Requests for a path whose ``{id}`` is another one each time, for ever."""
    before, after = _around(path)
    return lambda size: (b"%b%0*d%b" % (before, DIGITS, n, after) for n in _never_seen)


def zipf_ids(path: str) -> Requests:
    """Requests for a path whose ``{id}`` is drawn so that the nth is asked for 1/n as often."""
    before, after = _around(path)

    def requests(size: int) -> Iterable[bytes]:
        random = Random(size)
        while True:
            for n in random.choices(range(IDS), cum_weights=_zipf(), k=_DRAWN):
                yield b"%b%0*d%b" % (before, DIGITS, n, after)

    return requests


@cache
def _zipf() -> list[float]:
    return list(itertools.accumulate(1 / rank for rank in range(1, IDS + 1)))


def spread(path: str) -> Requests:
    """New ids below each of ``size`` folders in turn, whose number is ``{folder}`` in the path."""
    before, after = _around(path)

    def requests(size: int) -> Iterable[bytes]:
        fronts = [before.replace(b"{folder}", b"%07d" % folder) for folder in range(size)]
        return (
            b"%b%0*d%b" % (front, DIGITS, n, after)
            for front, n in zip(itertools.cycle(fronts), _never_seen)
        )

    return requests
