"""Disconnect, deadline, completion and shutdown in every order, ties included.

On virtual time: everything happens at one of a few instants, so much of it at the same one.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from routeguard import errors, setup, shield, shielded_count, timeout
from tests.support.extent import some
from tests.support.virtual import VirtualLoop, Wire, run_virtually

LATE = 1000.0
instants = st.integers(1, 6).map(float)
perhaps = st.one_of(st.none(), instants)


@dataclass(frozen=True, slots=True)
class Plot:
    """When everything happens."""

    work: float
    fails: bool
    streams: bool
    stubborn: bool
    last: float
    seconds: float | None
    total: float | None
    limit: float | None
    hangs_up: float | None
    shuts_down: float | None
    drain: float
    shielded: bool
    cancellation: bool


plots = st.builds(
    Plot,
    work=instants,
    fails=st.booleans(),
    streams=st.booleans(),
    stubborn=st.booleans(),
    last=st.sampled_from([0.0, 0.5, 2.0]),
    seconds=perhaps,
    total=perhaps,
    limit=perhaps,
    hangs_up=perhaps,
    shuts_down=perhaps,
    drain=st.integers(0, 6).map(float),
    shielded=st.booleans(),
    cancellation=st.booleans(),
)


@dataclass
class Course:
    """What happened."""

    began: float = 0.0
    ended: list[tuple[float, str]] = field(default_factory=list)
    closed: float = LATE
    left: int = 0
    armed: list[float] = field(default_factory=list)


async def run(loop: VirtualLoop, plot: Plot) -> tuple[Course, Wire]:
    course = Course()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            if plot.streams:
                stream = web.StreamResponse()
                await stream.prepare(request)
            try:
                await asyncio.sleep(plot.work)
            except asyncio.CancelledError:
                if not plot.stubborn:
                    raise
                await asyncio.sleep(plot.work)
            finally:
                await asyncio.sleep(plot.last)
            course.ended.append((loop.time(), "done"))
        except asyncio.CancelledError:
            course.ended.append((loop.time(), "cancelled"))
            raise
        if plot.fails:
            raise ValueError("told to")
        if plot.streams:
            await stream.write(b"stray")
            return stream
        return web.Response(text="done")

    async def resources(app: web.Application) -> AsyncIterator[None]:
        yield
        course.closed = loop.time()

    app = web.Application()
    app.router.add_post("/", handler)
    app.cleanup_ctx.append(resources)
    guards = [shield(limit=plot.limit)] if plot.shielded else []
    setup(app, timeout(plot.seconds, total=plot.total), *guards, errors(), drain=plot.drain)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=plot.cancellation, shutdown_timeout=1
    )
    await runner.setup()
    assert runner.server is not None
    before = asyncio.all_tasks()
    wire = Wire(runner.server).send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    if plot.hangs_up is not None:
        loop.call_at(plot.hangs_up, wire.hang_up)
    await asyncio.sleep(LATE / 10 if plot.shuts_down is None else plot.shuts_down)
    await runner.cleanup()
    await asyncio.sleep(LATE / 10)
    course.left = len(asyncio.all_tasks() - before) + shielded_count(app)
    course.armed = loop.standing()
    return course, wire


@settings(max_examples=max(some(400, brief=100), settings().max_examples))
@given(plots)
def test_whatever_comes_first(plot: Plot) -> None:
    course, wire = run_virtually(lambda loop: run(loop, plot))
    answers = wire.answers()  # strictly parsed: nothing may stray into the connection
    assert course.left == 0
    assert course.armed == []
    assert len(course.ended) == 1
    [(ended, how)] = course.ended
    assert len(answers) <= 1
    if answers:
        assert answers[0].status in (200, 500, 504)
        if how == "cancelled" and answers[0].complete:
            assert answers[0].status == 504
    if not plot.shielded:
        return
    begun = LATE if plot.shuts_down is None else plot.shuts_down
    limit = LATE if plot.limit is None else plot.limit
    if how == "cancelled":
        # Only its own limit or the end of the drain may end shielded work.
        assert ended >= min(limit, begun + plot.drain)
    within_grace = plot.last < 1 and not plot.stubborn
    if within_grace or ended <= begun + plot.drain:
        # Its resources outlive it, for as long as it is waited for.
        assert ended <= course.closed
    if not plot.stubborn:
        assert ended <= min(plot.work, limit, begun + plot.drain) + plot.last
