"""`deadline(request)`: what remains, extending and lifting, in every state of a request."""

import asyncio
from datetime import timedelta

import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from routeguard import (
    Policy,
    deadline,
    exempt,
    setup,
    shield,
    timeout,
)
from tests.support.asking import asked


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

    assert asked(handler, policy) == ([200], 20)


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

    assert asked(handler, policy) == ([200], 2)


def test_once_started_only_the_total_remains() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        assert deadline(request).remaining == 9
        await asyncio.sleep(6)
        assert deadline(request).remaining == 3
        await stream.write_eof()
        return stream

    assert asked(handler, timeout(5, total=9)) == ([200], 6)


def test_once_started_without_a_total_nothing_remains() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        assert deadline(request).remaining is None
        deadline(request).extend(1)  # brings nothing back
        assert deadline(request).remaining is None
        await asyncio.sleep(50)
        return stream

    assert asked(handler, timeout(5)) == ([200], 50)


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

    assert asked(handler, policy) == ([504], 2 + wanted)


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

    assert asked(handler, policy) == ([504], then)


def test_extending_again_and_again_keeps_a_handler_alive() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        for _ in range(20):
            await asyncio.sleep(4)
            deadline(request).extend(5)
        return web.Response()

    assert asked(handler, timeout(5)) == ([200], 80)


def test_a_heartbeat_that_stops_expires_by_the_last_extension() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        for _ in range(10):
            await asyncio.sleep(4)
            deadline(request).extend(5)
        await asyncio.sleep(1000)
        return web.Response()

    assert asked(handler, timeout(5)) == ([504], 45)


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

    assert asked(handler, policy) == ([200], 62)


def test_lifting_after_extending_takes_the_extension_away() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        deadline(request).extend(10)
        deadline(request).lift()
        await asyncio.sleep(60)
        return web.Response()

    assert asked(handler, timeout(5)) == ([200], 60)


def test_lifting_leaves_the_idle_bound() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        deadline(request).lift()
        await asyncio.sleep(40)
        await web.StreamResponse().prepare(request)
        await asyncio.sleep(1000)
        return web.Response()

    assert asked(handler, timeout(5, idle=3, total=6))[1] == 43


def test_on_uvloop_an_extension_by_next_to_nothing_can_be_asked_about() -> None:
    """uvloop gives a timer of less than half a millisecond a handle that knows no time."""

    async def handler(request: web.Request) -> web.Response:
        deadline(request).extend(0.0001)
        return web.json_response(deadline(request).remaining)

    async def main() -> float:
        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, timeout(5))
        async with TestClient(TestServer(app)) as client, client.get("/") as response:
            return float(await response.text())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert 0 <= runner.run(main()) <= 0.0001 + 1e-9  # seconds, as floats
