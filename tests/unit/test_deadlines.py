"""Deadlines: what cancellation means under them, how exact they are, and what they cost."""

import asyncio
import random

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from routeguard import deadline, rule, setup, timeout
from tests.faults.schedules import (
    NOTHING_PENDS,
    CancelSelf,
    Fail,
    Finally,
    Group,
    Nested,
    Script,
    Sleep,
    Swallow,
    observe,
)
from tests.faults.virtual import VirtualLoop, Wire, run_virtually, started

# Few, small numbers, so that whatever can happen at the same instant often does.
instants = st.integers(1, 6).map(float)
errors = st.sampled_from([ValueError, TimeoutError])
simple = st.one_of(st.just(Sleep(0)), instants.map(Sleep), errors.map(Fail), st.just(CancelSelf()))


def nested(steps: "st.SearchStrategy[object]") -> "st.SearchStrategy[object]":
    scripts = st.lists(steps, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Nested, instants, scripts, st.booleans()),
        st.builds(Swallow, scripts, st.booleans(), scripts),
        st.builds(Finally, scripts, scripts),
        st.builds(Group, st.lists(scripts, min_size=1, max_size=2).map(tuple)),
    )


scripts = st.lists(st.recursive(simple, nested, max_leaves=8), max_size=4).map(tuple)


@given(
    script=scripts,
    seconds=instants,
    cancelled_at=st.lists(st.integers(0, 6).map(float), max_size=2),
)
def test_a_deadline_is_asyncio_timeout_to_the_letter(
    script: Script, seconds: float, cancelled_at: list[float]
) -> None:
    seen = run_virtually(lambda loop: observe(loop, script, seconds, cancelled_at))
    assert seen["/ours/"] == seen["/theirs/"]


FOREVER = Sleep(100)

CASES: dict[str, tuple[Script, list[float], str, float]] = {
    # what the handler does; outer cancellations; how it must end, and when, under a timeout of 3
    "in time": ((Sleep(2),), [], "returned", 2),
    "too late": ((FOREVER,), [], "TimeoutError", 3),
    "ends at the very instant": ((Sleep(3),), [], "TimeoutError", 3),
    "an error before": ((Sleep(1), Fail(ValueError)), [], "ValueError", 1),
    "a timeout of its own before": ((Sleep(1), Fail(TimeoutError)), [], "TimeoutError", 1),
    "an error while being cancelled": (
        (Finally((FOREVER,), (Fail(ValueError),)),),
        [],
        "ValueError",
        3,
    ),
    "a nested timeout, shorter, caught": (
        (Nested(1, (FOREVER,), caught=True), Sleep(1)),
        [],
        "returned",
        2,
    ),
    "a nested timeout, shorter, passed on": (
        (Nested(1, (FOREVER,), caught=False),),
        [],
        "InnerTimeout",
        1,
    ),
    "a nested timeout, longer": ((Nested(5, (FOREVER,), caught=True),), [], "TimeoutError", 3),
    "a nested timeout, as long": ((Nested(3, (FOREVER,), caught=True),), [], "TimeoutError", 3),
    "a nested timeout in a finally block": (
        (Finally((FOREVER,), (Nested(1, (FOREVER,), caught=True),)),),
        [],
        "TimeoutError",
        4,
    ),
    "an outer cancellation before": ((FOREVER,), [2], "CancelledError", 2),
    "an outer cancellation at the same instant": ((FOREVER,), [3], "CancelledError", 3),
    "an outer cancellation during a finally block": (
        (Finally((FOREVER,), (Sleep(5),)),),
        [4],
        "CancelledError",
        4,
    ),
    "two outer cancellations": ((Finally((FOREVER,), (Sleep(2),)),), [1, 2], "CancelledError", 2),
    "a cancellation of its own": ((CancelSelf(), FOREVER), [], "CancelledError", 0),
    "our cancellation ignored": ((Swallow((FOREVER,), False, (Sleep(2),)),), [], "returned", 5),
    "our cancellation ignored and taken back": (
        (Swallow((FOREVER,), True, (Sleep(2),)),),
        [],
        "returned",
        5,
    ),
    "ours ignored, then an outer one": (
        (Swallow((FOREVER,), False, (FOREVER,)),),
        [4],
        "CancelledError",
        4,
    ),
    "an outer one ignored, then ours": (
        (Swallow((FOREVER,), False, (FOREVER,)),),
        [1],
        "CancelledError",
        3,
    ),
    "an outer one taken back, then ours": (
        (Swallow((FOREVER,), True, (FOREVER,)),),
        [1],
        "TimeoutError",
        3,
    ),
    "a long finally block": ((Finally((FOREVER,), (Sleep(4),)),), [], "TimeoutError", 7),
    "a task group": ((Group(((FOREVER,), (FOREVER,))),), [], "TimeoutError", 3),
    "a child that fails at the same instant": (
        (Group(((Sleep(3), Fail(ValueError)), (FOREVER,))),),
        [],
        "TimeoutError",
        3,
    ),
    "a child that fails while being cancelled": (
        (Group(((Finally((FOREVER,), (Fail(ValueError),)),), (FOREVER,))),),
        [],
        "group(ValueError)",
        3,
    ),
    "a child with a timeout of its own": (
        (Group(((Nested(1, (FOREVER,), caught=False),), (FOREVER,))),),
        [],
        "group(InnerTimeout)",
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cancellation_under_a_deadline(case: str) -> None:
    script, cancelled_at, outcome, ended = CASES[case]
    seen = run_virtually(lambda loop: observe(loop, script, 3, cancelled_at))
    assert (seen["/ours/"].outcome, seen["/ours/"].ended) == (outcome, ended)
    assert seen["/ours/"] == seen["/theirs/"]


def test_a_deadline_leaves_no_count_of_cancellations_behind() -> None:
    """A task that goes on to write the 504 would otherwise break every later `asyncio.timeout`."""
    seen = run_virtually(lambda loop: observe(loop, (FOREVER,), 3, []))
    assert seen["/ours/"].cancelling == 0
    assert seen["/ours/"].pending == NOTHING_PENDS


# --- exactness ------------------------------------------------------------------------------------


async def sleeper(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query.get("seconds", "1000")))
    return web.Response()


def timed_app(*policies: timeout) -> tuple[web.Application, dict[str, float]]:
    """An application with one route a policy, `/0`, `/1` ..., and when each request ended.

    The request's `id` in the query names it.
    """
    ended: dict[str, float] = {}

    @web.middleware
    async def note(request: web.Request, handler: object) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[operator,no-any-return]
        finally:
            ended[request.query["id"]] = asyncio.get_running_loop().time()

    guarded = web.Application()
    rules = [rule(f"/{i}", policy) for i, policy in enumerate(policies)]
    setup(guarded, *rules)
    for i in range(len(policies)):
        guarded.router.add_get(f"/{i}", sleeper)
    app = web.Application(middlewares=[note])
    app.add_subapp("/of", guarded)
    return app, ended


def test_each_request_expires_at_its_own_instant() -> None:
    numbers = random.Random(17)
    arrivals = sorted(numbers.uniform(0, 30) for _ in range(400))
    lasting = [numbers.choice([0.25, 4.75, 1000]) for _ in arrivals]

    async def main(loop: VirtualLoop) -> dict[str, float]:
        app, ended = timed_app(timeout(5))
        [server] = await started(app)
        for i, (arrival, seconds) in enumerate(zip(arrivals, lasting, strict=True)):
            await asyncio.sleep(arrival - loop.time())
            Wire(server).get(f"/of/0?id={i}&seconds={seconds}")
        await asyncio.sleep(60)
        return ended

    ended = run_virtually(main)
    expected = {
        str(i): arrival + min(5, seconds)
        for i, (arrival, seconds) in enumerate(zip(arrivals, lasting, strict=True))
    }
    assert ended == pytest.approx(expected, abs=1e-6)


def test_one_timer_serves_all_that_wait_equally_long() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int, int]:
        # Three routes, but two durations: equal ones share a timer across routes.
        app, ended = timed_app(timeout(5), timeout(5), timeout(7))
        [server] = await started(app)
        loop.forget_timers()
        for i in range(900):
            Wire(server).get(f"/of/{i % 3}?id={i}&seconds=3")
        await asyncio.sleep(1)
        standing = loop.standing()
        assert len(standing) == 2
        await asyncio.sleep(10)
        return loop.armed(), len(loop.standing()), len(ended)

    armed, standing, ended = run_virtually(main)
    assert ended == 900
    assert armed == 2
    assert standing == 0


def test_a_timer_is_armed_again_only_for_the_next_that_expires() -> None:
    async def main(loop: VirtualLoop) -> int:
        app, ended = timed_app(timeout(5))
        [server] = await started(app)
        loop.forget_timers()
        for i in range(600):  # at three instants
            if i % 200 == 0:
                await asyncio.sleep(1)
            Wire(server).get(f"/of/0?id={i}")
        await asyncio.sleep(10)
        assert len(ended) == 600
        return loop.armed()

    assert run_virtually(main) == 3


@pytest.mark.parametrize("kind", ["start", "total", "all"])
def test_finished_requests_leave_nothing_armed(kind: str) -> None:
    policy = {
        "start": timeout(5),
        "total": timeout(None, total=6),
        "all": timeout(5, idle=4, total=6),
    }[kind]

    async def main(loop: VirtualLoop) -> tuple[int, list[float]]:
        app, ended = timed_app(policy)
        [server] = await started(app)
        for i in range(0, 2_000, 20):  # overlapping, in waves
            for j in range(i, i + 20):
                Wire(server).get(f"/of/0?id={j}&seconds={j % 5}")
            await asyncio.sleep(1)
        await asyncio.sleep(10)
        return len(ended), loop.standing()

    assert run_virtually(main) == (2_000, [])


@pytest.mark.nightly
def test_a_million_finished_requests_leave_nothing_armed() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, list[float]]:
        app = web.Application()
        served = 0

        async def handler(request: web.Request) -> web.Response:
            nonlocal served
            served += 1
            return web.Response()

        app.router.add_get("/", handler)
        setup(app, timeout(5, idle=4, total=6))
        [server] = await started(app)
        wires = [Wire(server) for _ in range(100)]
        while served < 1_000_000:
            for wire in wires:
                wire.received.clear()
                wire.get("/")
            await asyncio.sleep(0.5)
            if served % 10_000 == 0:
                loop.forget_timers()
        await asyncio.sleep(10)
        return served, loop.standing()

    assert run_virtually(main) == (1_000_000, [])


def test_an_extended_deadline_delays_nobody_behind_it() -> None:
    async def main(loop: VirtualLoop) -> dict[str, float]:
        ended: dict[str, float] = {}

        async def handler(request: web.Request) -> web.Response:
            what = request.path.strip("/")
            if what == "extended":
                deadline(request).extend(50)
            elif what == "lifted":
                deadline(request).lift()
            elif what == "shortened":
                deadline(request).extend(2)
            try:
                await asyncio.sleep(100)
            finally:
                ended[what] = loop.time()
            return web.Response()

        app = web.Application()
        app.router.add_get("/{what}", handler)
        setup(app, timeout(5))
        [server] = await started(app)
        for what in ("extended", "lifted", "before", "shortened", "behind"):
            Wire(server).get(f"/{what}")
            await asyncio.sleep(1)
        await asyncio.sleep(200)
        return ended

    ended = run_virtually(main)
    assert ended == {"extended": 50, "lifted": 101, "before": 7, "shortened": 5, "behind": 9}


@timeout(5)
async def shared(request: web.Request) -> web.Response:
    await asyncio.sleep(1000)
    return web.Response()


def test_requests_left_behind_in_a_closed_loop_hold_nobody_up() -> None:
    """Two applications share a policy; the loop of one is gone, with requests still in flight."""

    def serving() -> web.Application:
        app = web.Application()
        app.router.add_get("/", shared)
        setup(app)
        return app

    async def abandon(loop: VirtualLoop) -> None:
        [server] = await started(serving())
        await asyncio.sleep(100)  # so that this clock is ahead of the next loop's
        Wire(server).get("/")
        await asyncio.sleep(1)

    async def serve_again(loop: VirtualLoop) -> tuple[list[int], list[int]]:
        [server] = await started(serving())
        wire = Wire(server).get("/")
        await asyncio.sleep(4.9)
        before = [answer.status for answer in wire.answers()]
        await asyncio.sleep(0.2)
        return before, [answer.status for answer in wire.answers()]

    run_virtually(abandon)
    assert run_virtually(serve_again) == ([], [504])
