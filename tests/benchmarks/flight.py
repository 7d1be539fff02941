"""What a request in flight holds, by the policies that it is under."""

import asyncio
import gc
import statistics
import tracemalloc
from collections.abc import Callable
from typing import Any

from aiohttp import web

from routeguard import (
    Policy,
    body,
    concurrency_limit,
    cors,
    csrf,
    errors,
    headers,
    https,
    rate_limit,
    shield,
    timeout,
    until_shutdown,
)

from . import peers, views
from .groups import guarded_by, ordinary, serving
from .lane import Lane
from .scenarios import compose

REQUESTS = 500
_PATIENCE = 60.0
_POST = compose("POST", "/api/parked", b'{"title": "A report"}', Content_Type="application/json")

ONE_BY_ONE: dict[str, Policy] = {
    "cors": cors(views.ORIGINS, max_age=views.MAX_AGE),
    "errors": errors(),
    "timeout": timeout(views.SECONDS),
    "shield": shield,
    "https": https(),
    "body": body(100_000, idle=10),
    "csrf": csrf(trusted_origins=views.ORIGINS),
    # All answers are of one size: no request comes near the rate, and it stays of six digits.
    "rate_limit": rate_limit("900000/hour"),
    "concurrency_limit": concurrency_limit(100_000),
    "headers": headers({"X-Team": "reports"}),
    "until_shutdown": until_shutdown(),
}
FOUR = ("cors", "errors", "timeout", "https")
FIVE = (*FOUR, "shield")

_shielded: set["asyncio.Task[web.StreamResponse]"] = set()


async def _parked(request: web.Request) -> web.StreamResponse:
    await request.read()
    return await views.parked(request)


async def _parked_by_hand(request: web.Request) -> web.StreamResponse:
    """Under a timeout and shielded, as in the other handlers that are written by hand."""
    async with asyncio.timeout(views.SECONDS):
        work = asyncio.create_task(_parked(request))
        _shielded.add(work)
        work.add_done_callback(_shielded.discard)
        return await asyncio.shield(work)


def _application(view: Any = _parked) -> web.Application:
    app = serving("/api/report", views.report)
    app.router.add_post("/api/parked", view)
    return app


def _under(*names: str) -> Callable[[], web.Application]:
    return lambda: guarded_by(_application(), *[ONE_BY_ONE[name] for name in names])


FLIGHTS: dict[str, tuple[str, Callable[[], web.Application]]] = {
    "bare": ("bare application", _application),
    "handwritten": (
        "timeout and shield written by hand in the handler",
        lambda: _application(_parked_by_hand),
    ),
    "middlewares": ("five aiohttp-middlewares", lambda: peers.five_middlewares(_application())),
    "five": ("routeguard, five policies", _under(*FIVE)),
    "four": ("routeguard, the same without shield", _under(*FOUR)),
    "all": ("routeguard, all of these policies", _under(*ONE_BY_ONE)),
    **{name: (f"routeguard, {name}", _under(name)) for name in ONE_BY_ONE},
}


def held(*, requests: int = REQUESTS, times: int = 3) -> dict[str, Any]:
    """Bytes that each of many POST requests holds while its handler waits.

    What is counted is what Python allocates, so that it is the same each time. The connections
    are open before and have served nothing: aiohttp keeps the last request of an idle one.

    Raises:
        AssertionError: an answer is not right.
    """
    gc.collect()
    gc.freeze()  # what stands now need not be walked again and again
    tracemalloc.start()
    figures: dict[str, dict[str, Any]] = {}
    for name, (title, build) in FLIGHTS.items():
        lane = Lane(build, ordinary(), connections=1, in_flight=requests, parked=_POST)
        answer = lane.parked_answer
        if answer is None or answer.json() != views.REPORT:
            raise AssertionError(f"{name}: {answer}")
        found = [_one(lane) for _ in range(times + 1)][1:]
        lane.close()
        figures[name] = {"title": title, "bytes": statistics.median(found) / requests}
    tracemalloc.stop()
    gc.unfreeze()
    for figure in figures.values():
        figure["added"] = figure["bytes"] - figures["bare"]["bytes"]
    return {"requests": requests, "flights": figures}


def _one(lane: Lane) -> int:
    lane.reconnect()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    lane.loop.run_until_complete(asyncio.wait_for(lane.park(), _PATIENCE))
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    lane.loop.run_until_complete(asyncio.wait_for(lane.release(), _PATIENCE))
    return after - before
