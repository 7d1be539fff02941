"""`deadline(request)`: what remains, extending and lifting, in every state of a request."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import web

from routeguard import (
    ConfigError,
    Policy,
    deadline,
    errors,
    exempt,
    https,
    setup,
    shield,
    timeout,
    use,
)
from tests.faults.virtual import VirtualLoop, Wire, run_virtually, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(handler: Handler, *policies: Policy, seconds: float = 100) -> tuple[list[int], float]:
    """Asks one request of a handler under policies; its statuses, and when the handler ended."""

    async def main(loop: VirtualLoop) -> tuple[list[int], float]:
        ended = -1.0

        async def noting(request: web.Request) -> web.StreamResponse:
            nonlocal ended
            try:
                return await handler(request)
            finally:
                ended = loop.time()

        app = web.Application()
        app.router.add_get("/", noting)
        setup(app, *policies)
        [server] = await started(app)
        wire = Wire(server).get("/")
        await asyncio.sleep(seconds)
        assert loop.standing() == []
        return [answer.status for answer in wire.answers()], ended

    return run_virtually(main)


@pytest.mark.parametrize(
    "policy",
    [exempt(timeout), timeout(None), timeout(None, idle=5), shield, shield(limit=50)],
    ids=repr,
)
def test_where_no_limit_runs_nothing_remains_and_nothing_happens(policy: Policy) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        running = deadline(request)
        assert running.remaining is None
        running.extend(5)
        assert running.remaining is None
        running.lift()
        assert running.remaining is None
        await asyncio.sleep(20)
        return web.Response()

    assert serve(handler, policy) == ([200], 20)


async def test_a_request_that_no_dispatcher_has_seen_has_no_deadline() -> None:
    from aiohttp.test_utils import make_mocked_request

    running = deadline(make_mocked_request("GET", "/"))
    assert running.remaining is None
    running.extend(1)
    running.lift()
    assert "no limit" in repr(running)


@pytest.mark.parametrize(
    ("policy", "before"),
    [
        (timeout(5), 5),
        (timeout(None, total=6), 6),
        (timeout(5, total=6), 5),
        (timeout(7, total=6), 6),
        (timeout(7, idle=1, total=8), 7),
    ],
    ids=repr,
)
def test_what_remains_is_the_nearest_bound(policy: timeout, before: float) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert deadline(request).remaining == before
        await asyncio.sleep(2)
        assert deadline(request).remaining == before - 2
        assert f"{before - 2:.3f} s" in repr(deadline(request))
        return web.Response()

    assert serve(handler, policy) == ([200], 2)


def test_once_started_only_the_total_remains() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        assert deadline(request).remaining == 9
        await asyncio.sleep(6)
        assert deadline(request).remaining == 3
        await stream.write_eof()
        return stream

    assert serve(handler, timeout(5, total=9)) == ([200], 6)


def test_once_started_without_a_total_nothing_remains() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        assert deadline(request).remaining is None
        deadline(request).extend(1)  # brings nothing back
        assert deadline(request).remaining is None
        await asyncio.sleep(50)
        return stream

    assert serve(handler, timeout(5)) == ([200], 50)


@pytest.mark.parametrize("policy", [timeout(5), timeout(None, total=5), timeout(5, total=5)])
@pytest.mark.parametrize("seconds", [1, 5, 40, timedelta(seconds=40)], ids=repr)
def test_extending_sets_what_remains(policy: timeout, seconds: float | timedelta) -> None:
    wanted = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        deadline(request).extend(seconds)
        assert deadline(request).remaining == wanted
        await asyncio.sleep(1000)
        return web.Response()

    assert serve(handler, policy) == ([504], 2 + wanted)


@pytest.mark.parametrize(
    ("policy", "seconds", "then"),
    [
        (timeout(5, total=9), 2, 2),  # the nearest bound moves nearer
        (timeout(5, total=9), 8, 8),  # past the start, short of the total
        (timeout(5, total=9), 20, 20),  # past both: neither may come before
        (timeout(9, total=5), 2, 2),
        (timeout(9, total=5), 8, 8),
        (timeout(9, total=5), 20, 20),
    ],
    ids=str,
)
def test_extending_past_a_bound_takes_it_along(
    policy: timeout, seconds: float, then: float
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        deadline(request).extend(seconds)
        assert deadline(request).remaining == then
        await asyncio.sleep(1000)
        return web.Response()

    assert serve(handler, policy) == ([504], then)


def test_extending_again_and_again_keeps_a_handler_alive() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        for _ in range(20):
            await asyncio.sleep(4)
            deadline(request).extend(5)
        return web.Response()

    assert serve(handler, timeout(5)) == ([200], 80)


def test_a_heartbeat_that_stops_expires_by_the_last_extension() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        for _ in range(10):
            await asyncio.sleep(4)
            deadline(request).extend(5)
        await asyncio.sleep(1000)
        return web.Response()

    assert serve(handler, timeout(5)) == ([504], 45)


@pytest.mark.parametrize("policy", [timeout(5), timeout(None, total=5), timeout(4, total=5)])
def test_lifting_takes_all_away(policy: timeout) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        deadline(request).lift()
        assert deadline(request).remaining is None
        deadline(request).extend(1)
        assert deadline(request).remaining is None
        await asyncio.sleep(60)
        return web.Response()

    assert serve(handler, policy) == ([200], 62)


def test_lifting_after_extending_takes_the_extension_away() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        deadline(request).extend(10)
        deadline(request).lift()
        await asyncio.sleep(60)
        return web.Response()

    assert serve(handler, timeout(5)) == ([200], 60)


def test_lifting_leaves_the_idle_bound() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        deadline(request).lift()
        await asyncio.sleep(40)
        await web.StreamResponse().prepare(request)
        await asyncio.sleep(1000)
        return web.Response()

    assert serve(handler, timeout(5, idle=3, total=6))[1] == 43


@pytest.mark.parametrize("act", ["extend", "lift"])
def test_once_passed_it_cannot_be_taken_back(act: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.sleep(1000)
        finally:
            running = deadline(request)
            assert running.remaining == 0
            if act == "extend":
                running.extend(50)
            else:
                running.lift()
            assert running.remaining == 0
        return web.Response()

    assert serve(handler, timeout(5)) == ([504], 5)


def test_an_error_handler_sees_that_a_bound_was_passed() -> None:
    seen: list[float | None] = []

    async def answer(request: web.Request) -> web.Response:
        running = deadline(request)
        seen.append(running.remaining)
        running.extend(5)
        running.lift()
        seen.append(running.remaining)
        await asyncio.sleep(10)  # no bound applies to it any more
        return web.Response(status=504)

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1000)
        return web.Response()

    assert serve(handler, timeout(5), errors(answer)) == ([504], 5)
    assert seen == [0, 0]


def test_an_error_handler_after_another_error_has_no_limit() -> None:
    seen: list[float | None] = []

    async def answer(request: web.Request) -> web.Response:
        deadline(request).extend(1)
        seen.append(deadline(request).remaining)
        await asyncio.sleep(50)
        return web.Response(status=418)

    async def handler(request: web.Request) -> web.StreamResponse:
        raise ValueError

    assert serve(handler, timeout(5), errors(answer)) == ([418], 0)
    assert seen == [None]


def test_a_middleware_may_extend_for_its_handler() -> None:
    async def generous(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert deadline(request).remaining == 5
        deadline(request).extend(30)
        return await handler(request.clone())  # a clone has the same deadline

    async def handler(request: web.Request) -> web.StreamResponse:
        assert deadline(request).remaining == 30
        await asyncio.sleep(29)
        assert deadline(request).remaining == 1
        return web.Response()

    assert serve(handler, timeout(5), use(generous)) == ([200], 29)


def test_a_middleware_may_go_on_past_its_handler_within_the_bound() -> None:
    async def lingering(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        assert deadline(request).remaining == 3
        await asyncio.sleep(1000)
        return response

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        return web.Response()

    assert serve(handler, timeout(5), use(lingering)) == ([504], 2)


def test_a_shielded_handler_extends_the_wait_for_it() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert deadline(request).remaining == 5
        deadline(request).extend(30)
        await asyncio.sleep(20)
        return web.Response()

    assert serve(handler, timeout(5), shield) == ([200], 20)


def test_detached_work_learns_that_nobody_waits_any_more() -> None:
    seen: list[float | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(20)
        seen.append(deadline(request).remaining)
        deadline(request).extend(5)
        seen.append(deadline(request).remaining)
        return web.Response()

    assert serve(handler, timeout(5), shield) == ([504], 20)
    assert seen == [0, 0]


def test_the_clone_that_https_makes_has_the_deadline_too() -> None:
    @dataclass(frozen=True, slots=True)
    class Outside(Policy):
        async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            # Own kinds stand outside the timeout: before it begins, and after it has ended.
            assert deadline(request).remaining is None
            try:
                return await handler(request)
            finally:
                assert deadline(request).remaining is None

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.scheme == "https"
        assert deadline(request).remaining == 5
        return web.Response()

    always = https({"Host": "localhost"}, trusted="*")
    assert serve(handler, timeout(5), always, Outside()) == ([200], 0)


@pytest.mark.parametrize("value", [0, -1, True, None, "5", float("inf"), float("nan")], ids=repr)
@pytest.mark.parametrize("policy", [timeout(5), timeout(None)], ids=repr)
def test_extending_by_what_is_no_time_is_refused(policy: timeout, value: object) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(ConfigError, match="seconds="):
            deadline(request).extend(value)  # type: ignore[arg-type]
        return web.Response()

    assert serve(handler, policy) == ([200], 0)
