"""Lines of growth: applications of growing size, and how one line is measured."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from aiohttp import web

from . import contenders, measure, views
from .asked_paths import Requests
from .contenders import ALL, Contender
from .figures import Sample
from .lane import Lane
from .scenarios import SCENARIOS, compose
from .transport import Answer

SIZES = (1, 10, 100, 1_000, 10_000)
REGEXES = (1, 10, 100, 1_000)
UNSPLIT = "one rule"
"""The name among the sizes of what is measured under one rule."""

Build = Callable[[int], web.Application]


def application() -> web.Application:
    """Static and dynamic routes that all answer the same document."""
    app = views.application()
    app.router.add_get("/api/parked", views.parked)
    for path in ("/api/report", "/reports/{id}", "/users/{id}", "/files/{tail:.*}"):
        app.router.add_get(path, views.report)
    return app


def static(size: int) -> Iterable[bytes]:
    """Requests for a static route."""
    return itertools.repeat(compose("GET", "/api/report"))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot: an application of a given size, and what it is asked."""

    name: str
    title: str
    panel: str
    build: Build
    requests: Requests = static
    sizes: tuple[int, ...] = SIZES
    limit: float | None = None
    """The most that the overhead may grow from the smallest size to the largest."""
    unsplit: Callable[[], web.Application] | None = None
    """The same route under one rule that does not split it, measured beside all sizes."""
    of_unsplit: float | None = None
    """The most that the overhead at the largest size may be of that under the one rule."""

    @property
    def judged(self) -> bool:
        """Whether the budget has a limit for it."""
        return self.limit is not None or self.of_unsplit is not None


def faults(line: Line, size: int, answer: Answer) -> list[str]:
    """What is wrong with the answer of a line's application of that size."""
    entrant = Contender(f"{line.name} {size}", line.title, partial(line.build, size), ALL)
    return SCENARIOS[0].faults(entrant, answer)


def measure_line(line: Line, *, sizes: Sequence[int], rounds: int, seed: int) -> dict[str, Sample]:
    """All sizes of one line, and the bare application, interleaved in this process.

    Raises:
        measure.WrongAnswer: an answer at some size is not right.
    """
    lanes = {measure.YARDSTICK: measure.yardstick()}
    lanes[contenders.BASELINE] = Lane(application, line.requests(sizes[-1]))
    try:
        if line.unsplit is not None:
            lanes[UNSPLIT] = Lane(line.unsplit, line.requests(sizes[-1]))
        for size in Random(seed).sample(sizes, len(sizes)):
            lane = lanes[str(size)] = Lane(partial(line.build, size), line.requests(size))
            if found := faults(line, size, lane.answer):
                raise measure.WrongAnswer("\n".join(found))
        return measure.time_lanes(lanes, rounds=rounds, seed=seed)
    finally:
        for lane in lanes.values():
            lane.close()
