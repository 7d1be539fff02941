"""Handlers of which little is asked are served with little kept of them: nothing else differs.

On virtual time, beside `asyncio.timeout`, or a handler of which everything is kept.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from routeguard import Policy, cors, deadline, errors, rule, setup, timeout, use
from routeguard.routes.rules import Rule
from routeguard.running.application import RUNNING
from tests.support.messages import request
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Course = tuple[list[bytes], bool, list[float], bool, int]

LIMIT = 5.0
A, B, EVIL = "https://a.example", "https://b.example", "https://evil.example"


async def returns(request: web.Request) -> web.StreamResponse:
    return web.Response(text="done", headers={"vary": "Cookie"})


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1000)
    return web.Response()


async def ends_at_the_limit(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(LIMIT)
    return web.Response(text="at the limit")


async def returns_all_the_same(request: web.Request) -> web.StreamResponse:
    try:
        return await hangs(request)
    except asyncio.CancelledError:
        return web.Response(text="all the same")


async def raises_something_else(request: web.Request) -> web.StreamResponse:
    try:
        return await hangs(request)
    finally:
        raise web.HTTPConflict


async def takes_its_time_over_the_end(request: web.Request) -> web.StreamResponse:
    try:
        return await hangs(request)
    finally:
        await asyncio.sleep(3)


async def is_stubborn(request: web.Request) -> web.StreamResponse:
    for _ in range(3):
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            continue
    return web.Response(text="at last")


async def is_in_a_group_that_fails(request: web.Request) -> web.StreamResponse:
    async def fails() -> None:
        await asyncio.sleep(LIMIT)
        raise ValueError("told to")

    async with asyncio.TaskGroup() as group:
        group.create_task(fails())
        await takes_its_time_over_the_end(request)
    return web.Response()


async def streams(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    await asyncio.sleep(2 * LIMIT)
    await stream.write(b"streamed")
    return stream


async def streams_in_a_task_and_fails(request: web.Request) -> web.StreamResponse:
    await asyncio.create_task(streams(request))
    raise web.HTTPConflict


async def streams_when_its_time_is_up(request: web.Request) -> web.StreamResponse:
    try:
        return await hangs(request)
    finally:
        await streams(request)


async def prepares_and_fails(request: web.Request) -> web.StreamResponse:
    await web.Response(text="never sent").prepare(request)
    raise web.HTTPConflict


async def extends_in_a_task(request: web.Request) -> web.StreamResponse:
    async def extend() -> None:
        deadline(request.clone()).extend(3 * LIMIT)

    await asyncio.create_task(extend())
    return await hangs(request)


TIMELY = [returns, hangs, ends_at_the_limit, returns_all_the_same, raises_something_else]
TIMELY += [takes_its_time_over_the_end, is_stubborn, is_in_a_group_that_fails]
UNUSUAL = [streams, streams_in_a_task_and_fails, streams_when_its_time_is_up]
UNUSUAL += [prepares_and_fails, extends_in_a_task]


def course(app: web.Application, handler: Handler, hangs_up: float | None) -> Course:
    """What was sent, whether that closed it, when the handler ended, and how its task did."""
    tasks: list[asyncio.Task[object]] = []
    ends: list[float] = []

    async def main(loop: VirtualLoop) -> Course:
        loop.set_debug(False)  # in debug mode aiohttp's page of an error shows our frames

        async def noted(request: web.Request) -> web.StreamResponse:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            try:
                return await handler(request)
            finally:
                ends.append(loop.time())

        app.router.add_get("/", noted)
        [server] = await started(app, handler_cancellation=True)
        wire = Wire(server).send(request("GET", "/", Origin=EVIL))
        if hangs_up is not None:
            await asyncio.sleep(hangs_up)
            wire.hang_up()
        await asyncio.sleep(100)
        closed = wire.closed
        wire.hang_up()
        await asyncio.sleep(0)
        sent = bytes(wire.received).splitlines()
        dateless = sorted(line for line in sent if not line.startswith(b"Date: "))
        return dateless, closed, ends, tasks[0].cancelled(), tasks[0].cancelling()

    return run_virtually(main)


@pytest.mark.parametrize("hangs_up", [None, LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("handler", TIMELY)
def test_time_runs_out_as_for_the_timeout_of_asyncio(
    handler: Handler, hangs_up: float | None
) -> None:
    @web.middleware
    async def standard(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with asyncio.timeout(LIMIT):
            return await handler(request)

    ours, theirs = web.Application(), web.Application(middlewares=[standard])
    setup(ours, timeout(LIMIT))
    assert course(ours, handler, hangs_up) == course(theirs, handler, hangs_up)


@pytest.mark.parametrize("hangs_up", [None, LIMIT])
@pytest.mark.parametrize("handler", TIMELY + UNUSUAL)
def test_it_is_served_as_a_handler_of_which_everything_is_kept(
    caplog: pytest.LogCaptureFixture, handler: Handler, hangs_up: float | None
) -> None:
    async def nothing(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    caplog.set_level(logging.INFO, "routeguard")
    seen = []
    for more in (), (use(nothing),):
        app = web.Application()
        setup(app, timeout(LIMIT), cors([A, B]), errors(), *more)
        caplog.clear()
        seen.append((course(app, handler, hangs_up), caplog.messages[:]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("handler", TIMELY + UNUSUAL)
def test_nothing_is_kept_of_requests_that_have_ended(handler: Handler) -> None:
    async def main(loop: VirtualLoop) -> None:
        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, timeout(LIMIT), errors())
        [server] = await started(app, handler_cancellation=True)
        for patience in (0, 1, LIMIT, LIMIT + 1, 100):
            wires = [Wire(server).get("/") for _ in range(5)]
            await asyncio.sleep(patience)
            for wire in wires:
                wire.hang_up()
        await asyncio.sleep(100)
        clock = app[RUNNING].clocks.of("start", LIMIT)
        assert (clock.queue, clock.materialised, clock.timer) == ({}, {}, None)
        assert loop.standing() == []

    run_virtually(main)


def test_a_handle_that_is_kept_past_its_request_reaches_no_other() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        kept = []

        async def keeps(request: web.Request) -> web.Response:
            kept.append(deadline(request))
            return web.Response()

        app = web.Application()
        app.router.add_get("/keeps", keeps)
        app.router.add_get("/hangs", hangs)
        setup(app, timeout(LIMIT))
        [server] = await started(app)
        wires = []
        for _ in range(20):  # what is freed is soon used again
            wire = Wire(server).get("/keeps")
            await asyncio.sleep(0.1)
            wire.hang_up()
            await asyncio.sleep(0.1)
            gc.collect()
            wires.append(Wire(server).get("/hangs"))
        assert {handle.remaining for handle in kept} == {None}
        for handle in kept:
            handle.lift()
        await asyncio.sleep(2 * LIMIT)
        return [answer.status for wire in wires for answer in wire.answers()]

    assert run_virtually(main) == [504] * 20


def asked(app: web.Application, *origins: str) -> list[tuple[str, str, bytes, bool]]:
    """For each origin who is allowed, what it varies by, the body, and whether that is whole."""

    async def main(loop: VirtualLoop) -> list[tuple[str, str, bytes, bool]]:
        [server] = await started(app)
        wires = [Wire(server).send(request("GET", "/", Origin=origin)) for origin in origins]
        await asyncio.sleep(100)
        answers = [answer for wire in wires for answer in wire.answers()]
        told = [{"access-control-allow-origin": "", "vary": "", **one.headers} for one in answers]
        allowed = [(fields["access-control-allow-origin"], fields["vary"]) for fields in told]
        return [(*a, one.body, one.complete) for a, one in zip(allowed, answers, strict=True)]

    return run_virtually(main)


def application(handler: Handler, *policies: Policy | Rule) -> web.Application:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    setup(app, *policies)
    return app


def test_a_star_beside_an_origin_is_just_a_star() -> None:
    async def plain(request: web.Request) -> web.Response:
        return web.Response(text="plain")

    answers = asked(application(plain, cors(["*", A, "null"])), A, "null", EVIL)
    assert answers == [("*", "", b"plain", True)] * 3


def test_a_stream_on_a_clone_has_the_policies_of_the_request_that_came() -> None:
    async def rewritten(request: web.Request) -> web.StreamResponse:
        return await streams(request.clone(rel_url="/other"))

    rules = rule("/", timeout(LIMIT), cors(A)), rule("/other", timeout(1000), cors(B))
    answers = asked(application(rewritten, *rules), A, B)
    assert answers == [(origin, "Origin", b"streamed", True) for origin in (A, "")]


def test_an_origin_is_examined_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    examined = []

    def nobody(origin: str) -> bool:
        examined.append(origin)
        return False

    async def prepares(request: web.Request) -> web.Response:
        response = web.Response(text="prepared")
        await response.prepare(request.clone())
        return response

    caplog.set_level(logging.INFO, "routeguard.cors")
    assert asked(application(prepares, cors(nobody)), EVIL) == [("", "Origin", b"prepared", True)]
    assert (len(caplog.messages), examined) == (1, [EVIL])


def test_a_response_may_have_items_of_its_own_kind() -> None:
    class Rows(web.Response):
        def __getitem__(self, key: object) -> str:  # type: ignore[override]
            raise IndexError

    async def rows(request: web.Request) -> web.Response:
        return Rows(text="rows")

    assert asked(application(rows, cors(A)), A) == [(A, "Origin", b"rows", True)]
