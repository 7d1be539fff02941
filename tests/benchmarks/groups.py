"""Groups: applications of one subject that are timed beside each other in one process."""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

import routeguard
from routeguard import Policy

from . import measure, views
from .figures import Sample
from .lane import Lane
from .scenarios import SCENARIOS
from .transport import Answer

Build = Callable[[], web.Application]
Judge = Callable[[Answer], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One application of a group, what it is asked, and how its answer is judged."""

    title: str
    build: Build
    requests: Callable[[], Iterable[bytes]]
    judge: Judge
    like: str | None = None
    """Of a peer: the entry of routeguard that does as much."""


@dataclass(frozen=True, slots=True)
class Group:
    """Applications that are compared; the one named ``bare`` is what overhead is counted from."""

    name: str
    title: str
    entries: Mapping[str, Entry]

    def faults(self, name: str, answer: Answer) -> list[str]:
        """What is wrong with the answer of an entry; empty where nothing is."""
        return [f"{self.name}, {name}: {fault}" for fault in self.entries[name].judge(answer)]


def always(request: bytes) -> Callable[[], Iterable[bytes]]:
    """The same request again and again."""
    return lambda: itertools.repeat(request)


ordinary = always(SCENARIOS[0].request)
"""A GET of the JSON document, again and again."""


def answers(status: int, body: object = None, **headers: str) -> Judge:
    """Judges by status, JSON body, and headers, where ``X_Name`` stands for ``X-Name``."""

    def judge(answer: Answer) -> Iterator[str]:
        if answer.status != status:
            yield f"status {answer.status} instead of {status}"
        if body is not None and answer.json() != body:
            yield f"the body is {answer.body!r}"
        for name, value in headers.items():
            found = answer.headers.get(name.replace("_", "-"))
            if found != value:
                yield f"{name} is {found!r} instead of {value!r}"

    return judge


def serving(path: str, view: Handler, method: str = "GET") -> web.Application:
    """An application with one route, beside that of the requests in flight."""
    app = views.application()
    app.router.add_route(method, path, view)
    app.router.add_get("/api/parked", views.parked)
    return app


def guarded_by(app: web.Application, *policies: Policy) -> web.Application:
    """The application with these policies as fallbacks."""
    routeguard.setup(app, *policies)
    return app


def measure_group(group: Group, *, rounds: int, seed: int) -> dict[str, Sample]:
    """All entries of a group, batch by batch, in this process.

    Raises:
        measure.WrongAnswer: an entry's answer is not right.
    """
    names = random.Random(seed).sample(list(group.entries), len(group.entries))
    lanes = {measure.YARDSTICK: measure.yardstick()}
    try:
        for name in names:
            entry = group.entries[name]
            lane = lanes[name] = Lane(entry.build, entry.requests())
            if found := group.faults(name, lane.answer):
                raise measure.WrongAnswer("\n".join(found))
        return measure.time_lanes(lanes, rounds=rounds, seed=seed)
    finally:
        for lane in lanes.values():
            lane.close()
