"""Deadlines: how exact they are, and what they cost."""

import asyncio
import random

import pytest
from aiohttp import web

from routeguard import deadline, rule, setup, timeout
from tests.support.extent import some
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started


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

    count = some(2_000, brief=400)

    async def main(loop: VirtualLoop) -> tuple[int, list[float]]:
        app, ended = timed_app(policy)
        [server] = await started(app)
        for i in range(0, count, 20):  # overlapping, in waves
            for j in range(i, i + 20):
                Wire(server).get(f"/of/0?id={j}&seconds={j % 5}")
            await asyncio.sleep(1)
        await asyncio.sleep(10)
        return len(ended), loop.standing()

    assert run_virtually(main) == (count, [])


@pytest.mark.parametrize("how", ["start", "total", "extended", "streamed", "failed"])
def test_the_last_to_finish_disarms_the_timer(how: str) -> None:
    """At once, and not when the time would have been up."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        if how == "extended":
            deadline(request).extend(50)
        if how in ("streamed", "failed"):
            stream = web.StreamResponse()
            await stream.prepare(request)
            await stream.write(b"some")
            if how == "failed":
                raise ValueError
            return stream
        return web.Response()

    async def main(loop: VirtualLoop) -> tuple[list[float], list[float]]:
        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, timeout(None if how == "total" else 20, idle=20, total=20))
        [server] = await started(app)
        Wire(server).get("/")
        await asyncio.sleep(0.5)
        before = loop.standing()
        await asyncio.sleep(1)
        return before, loop.standing()

    before, after = run_virtually(main)
    assert before
    assert after == []


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
