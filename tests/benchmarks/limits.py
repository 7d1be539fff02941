"""What must not grow: start-up, a crowd in flight, memory after a flood and after a long run."""

import gc
import itertools
import re
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

import routeguard
from routeguard import rule

from . import contenders, guarded, views
from .lane import Lane
from .scenarios import SCENARIOS, compose
from .timers import CountingLoop

PAGE = 4096
CROWDED = ("bare", "handwritten", "middlewares", "rule")


def _many_routes(routes: int) -> web.Application:
    app = views.application()
    for number in range(routes // 2):
        app.router.add_get(f"/static{number}/report", views.report)
        app.router.add_get(f"/dynamic{number}/{{id}}", views.report)
    return app


def _guard(app: web.Application, rules: int, regexes: int) -> None:
    kinds = ("/static{}/report", "/dynamic{}/{{id}}", "/static{}/*", "/dynamic{}/*")
    patterns: list[str | re.Pattern[str]] = [
        kinds[number % len(kinds)].format(number // len(kinds)) for number in range(rules - regexes)
    ]
    patterns += [re.compile(rf"/dynamic{number}\d/.+") for number in range(regexes)]
    five = guarded.five()
    routeguard.setup(app, *[rule(pattern, *five) for pattern in patterns])


def startup(*, routes: int, rules: int, regexes: int = 0, times: int = 5) -> dict[str, Any]:
    """Seconds of CPU that ``setup`` and start-up take, with the rules and without."""

    def seconds(prepare: Callable[[web.Application], None]) -> float:
        app = _many_routes(routes)
        gc.collect()
        started = time.process_time()
        prepare(app)
        lane = Lane(lambda: app, [compose("GET", "/static0/report")], in_flight=0)
        spent = time.process_time() - started
        lane.close()
        return spent

    bare = [seconds(lambda app: None) for _ in range(times)]
    ours = [seconds(lambda app: _guard(app, rules, regexes)) for _ in range(times)]
    return {
        "routes": routes,
        "rules": rules,
        "regexes": regexes,
        "bare": statistics.median(bare),
        "with_rules": statistics.median(ours),
        "added": statistics.median(ours) - statistics.median(bare),
    }


def held_by_routes(*, routes: int, rules: int) -> dict[str, Any]:
    """Bytes that an application holds when each of its routes has been asked for once.

    Each rule states the same five policies for its share of the routes.
    """
    paths = [f"/area{n % rules}/{'static' if n % 2 else 'dynamic'}{n}" for n in range(routes)]
    requests = [compose("GET", f"{path}{'' if n % 2 else '/7'}") for n, path in enumerate(paths)]

    def held(guard: Callable[[web.Application], None]) -> int:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        app = views.application()
        for number, path in enumerate(paths):
            app.router.add_get(path if number % 2 else f"{path}/{{id}}", views.report)
        guard(app)
        lane = Lane(lambda: app, itertools.cycle(requests), in_flight=0)
        lane.batch(-(-routes // len(lane)))
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        lane.close()
        return after - before

    def ours(app: web.Application) -> None:
        five = guarded.five()
        routeguard.setup(app, *[rule(f"/area{n}/*", *five) for n in range(rules)])

    tracemalloc.start()
    held(lambda app: None)  # fills caches that others keep
    bare, guarded_too = held(lambda app: None), held(ours)
    tracemalloc.stop()
    return {
        "routes": routes,
        "rules": rules,
        "bare": bare,
        "with_rules": guarded_too,
        "added": guarded_too - bare,
    }


def crowd(*, requests: int, times: int = 3) -> dict[str, Any]:
    """Many requests in flight at once: microseconds each, and timers armed for them."""
    figures: dict[str, Any] = {}
    for contender in contenders.CONTENDERS:
        if contender.name not in CROWDED:
            continue
        loop = CountingLoop()
        asked = itertools.repeat(SCENARIOS[0].request)
        lane = Lane(contender.build, asked, connections=1, in_flight=requests, loop=loop)
        costs = []
        for _ in range(times):
            loop.forget()
            started = time.process_time_ns()
            loop.run_until_complete(lane.park())
            armed, standing = loop.armed, loop.standing()
            loop.run_until_complete(lane.release())
            costs.append((time.process_time_ns() - started) / 1000 / requests)
        lane.close()
        figures[contender.name] = {
            "cost": statistics.median(costs),
            "timers_armed": armed,
            "timers_standing": standing,
        }
    return {"requests": requests, "contenders": figures}


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def guarded_for_flood() -> web.Application:
    """Rules of every kind, so that every path has to be looked at."""
    app = views.application()
    views.add_views(app)
    app.router.add_get("/users/{id}", views.report)
    routeguard.setup(
        app,
        rule("/users/7", *guarded.five()),
        rule(re.compile(r"/users/9\d+"), *guarded.five()),
        rule("/users/{id}", *guarded.five()),
        rule("/api/*", *guarded.five()),
        *guarded.five(),
    )
    return app


def strangers(seed: int) -> Iterable[bytes]:
    """Requests for random paths, of one length: no such route."""
    random = Random(seed)
    while True:
        yield compose("GET", f"/{random.getrandbits(128):032x}")


def users(seed: int) -> Iterable[bytes]:
    """Requests for random paths of a dynamic route that rules split."""
    random = Random(seed)
    while True:
        yield compose("GET", f"/users/{random.getrandbits(128):032x}")


TRAFFIC: dict[str, Callable[[], Iterable[bytes]]] = {
    "flood of 404s": lambda: strangers(1),
    "flood on a dynamic route": lambda: users(1),
    "requests": lambda: itertools.repeat(SCENARIOS[0].request),
}


def memory(*, traffic: str, requests: int, stages: int = 5) -> dict[str, Any]:
    """Memory after equal stages of traffic; the first of them fills whatever caches there are."""
    lane = Lane(guarded_for_flood, TRAFFIC[traffic](), in_flight=0)
    turns = max(1, requests // stages // len(lane))
    blocks, bytes_held = [], []
    for _ in range(stages):
        lane.batch(turns)
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        bytes_held.append(resident())
    lane.close()
    return {
        "traffic": traffic,
        "requests": turns * stages * len(lane),
        "blocks": blocks,
        "bytes": bytes_held,
        "blocks_grown": blocks[-1] - blocks[0],
        "bytes_grown": bytes_held[-1] - bytes_held[0],
    }
