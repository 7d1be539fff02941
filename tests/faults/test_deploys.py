"""A server that is told to stop under open streams, sockets, idle connections and shielded work.

Each runner and loop that users have; and beside each the same application on aiohttp alone, with
the same clients.
"""

import asyncio

import pytest

from tests.faults.deploying import Setting
from tests.faults.deploys import (
    RUNNERS,
    all_open,
    deployed,
    socket_request,
    stop,
    watch,
    watch_many,
)
from tests.support.extent import some
from tests.support.messages import request

pytestmark = pytest.mark.faults

# aiohttp alone is watched on every runner where everything is tried.
CONTROLS = some(list(RUNNERS), brief=["run_app"])
SIDES = [
    *(pytest.param(runner, True, id=f"{runner}-guarded") for runner in RUNNERS),
    *(pytest.param(runner, False, id=f"{runner}-control") for runner in CONTROLS),
]
COMPLAINTS = ("Traceback", "never retrieved", "was destroyed", "never awaited")


def get(path: str, version: str = "1.1") -> bytes:
    return request("GET", path).replace(b"HTTP/1.1", f"HTTP/{version}".encode())


def complaints(said: str) -> list[str]:
    return [line for line in said.splitlines() if any(sign in line for sign in COMPLAINTS)]


@pytest.mark.parametrize("runner", RUNNERS)
async def test_streams_and_sockets_end_before_the_database_closes(runner: str) -> None:
    by, loop = RUNNERS[runner]
    many = some(400, brief=50) if by == "run_app" else 50
    async with deployed(Setting(loop=loop), by) as server:
        events = await watch_many(server.port, get("/events"), many)
        sockets = await watch_many(server.port, socket_request("/socket"), many // 2)
        pushed = await watch_many(server.port, socket_request("/push"), many // 2)
        files = await watch_many(server.port, get("/download"), 5)
        old_files = await watch_many(server.port, get("/download", "1.0"), 5)
        old_events = await watch_many(server.port, get("/events", "1.0"), 5)
        everyone = events + sockets + pushed + files + old_files + old_events
        ends = asyncio.gather(*(one.end() for one in everyone))
        told = await stop(server)
        await ends
    assert complaints(told.said) == []
    assert max(one.ended for one in everyone) - told.began < 2
    [closes] = told.when("database closes")
    assert closes < 2
    finallies = told.when("finally")
    assert len(finallies) == len(everyone)
    assert max(finallies) <= closes
    for one in events:
        answer = one.answer()
        assert answer is not None and answer.complete and not one.reset
    assert [one.close_code() for one in sockets + pushed] == [1001] * many
    for one in files:
        answer = one.answer()
        assert answer is not None and answer.body and not answer.complete
    assert all(one.reset for one in old_files)
    assert not any(one.reset for one in old_events)


@pytest.mark.parametrize("runner", CONTROLS)
async def test_the_control_holds_the_shutdown_up_and_cleans_up_under_its_streams(
    runner: str,
) -> None:
    by, loop = RUNNERS[runner]
    async with deployed(Setting(guarded=False, loop=loop, shutdown_timeout=2), by) as server:
        events = await watch_many(server.port, get("/events"), 20)
        sockets = await watch_many(server.port, socket_request("/push"), 20)
        everyone = events + sockets
        ends = asyncio.gather(*(one.end() for one in everyone))
        told = await stop(server)
        await ends
    [closes] = told.when("database closes")
    assert closes >= 4  # twice its shutdown_timeout
    assert [at for at in told.when("finally") if at < closes] == []
    assert not any(answer.complete for one in events if (answer := one.answer()) is not None)
    assert [one.close_code() for one in sockets] == [None] * 20


@pytest.mark.parametrize("runner", ["run_app", "run_app on uvloop"])
async def test_the_grace_is_honoured(runner: str) -> None:
    by, loop = RUNNERS[runner]
    async with deployed(Setting(loop=loop, grace=1.5), by) as server:
        events = await watch_many(server.port, get("/events"), 10)
        sockets = await watch_many(server.port, socket_request("/socket"), 10)
        everyone = events + sockets
        ends = asyncio.gather(*(one.end() for one in everyone))
        told = await stop(server)
        await ends
    [closes] = told.when("database closes")
    assert 1.5 <= min(told.when("finally")) <= closes < 3.5
    assert all(1.5 <= one.ended - told.began < 3.5 for one in everyone)


async def test_no_grace_outlasts_aiohttp() -> None:
    async with deployed(Setting(grace=60, shutdown_timeout=1), "run_app") as server:
        events = await watch_many(server.port, get("/events"), 10)
        ends = asyncio.gather(*(one.end() for one in events))
        told = await stop(server)
        await ends
    [closes] = told.when("database closes")
    assert 2 <= max(told.when("finally")) <= closes < 4


@pytest.mark.parametrize(("runner", "guarded"), SIDES)
async def test_on_shutdown_is_called_at_once_and_streams_say_their_last_words(
    runner: str, guarded: bool
) -> None:
    by, loop = RUNNERS[runner]
    async with deployed(Setting(guarded=guarded, loop=loop), by) as server:
        streams = await watch_many(server.port, get("/last-words"), 20)
        ends = asyncio.gather(*(one.end() for one in streams))
        told = await stop(server)
        await ends
    assert complaints(told.said) == []
    assert told.began - told.stopped < (5 if by == "gunicorn" else 1)
    [closes] = told.when("database closes")
    assert closes < 1
    for one in streams:
        answer = one.answer()
        assert answer is not None and answer.complete
        assert answer.body == b"event: bye\n\n"


@pytest.mark.parametrize(("runner", "guarded"), SIDES)
async def test_an_idle_connection_is_closed_while_work_drains(runner: str, guarded: bool) -> None:
    """A proxy that has kept one would send the next request there, and wait."""
    by, loop = RUNNERS[runner]
    setting = Setting(guarded=guarded, loop=loop, works=4)
    async with deployed(setting, by) as server:
        idle = await watch_many(server.port, get("/quick"), 5)
        busy = await watch(server.port, request("POST", "/work", body=b""), begins=False)
        gone = await watch(server.port, request("POST", "/work", body=b""), begins=False)
        await all_open(server.port, 2)
        gone.hang_up()
        ends = [asyncio.ensure_future(one.end()) for one in idle]
        stopping = asyncio.ensure_future(stop(server))
        await asyncio.sleep(0)
        for one in idle:
            one.send(get("/quick"))
        await asyncio.gather(*ends)
        answer = (await busy.end()).answer()
        told = await stopping
    assert max(one.ended for one in idle) - told.began < 2
    assert answer is not None and answer.body == b"done"
    [closes] = told.when("database closes")
    assert len(told.when("work done")) == 2
    assert 4 <= max(told.when("work done")) <= closes


@pytest.mark.parametrize("runner", ["run_app", "run_app on uvloop", "gunicorn"])
async def test_the_whole_takes_no_longer_than_aiohttp_or_the_drain_and_a_second(
    runner: str,
) -> None:
    by, loop = RUNNERS[runner]
    for setting in (
        Setting(loop=loop, works=60, drain=1, shutdown_timeout=1.5),  # aiohttp's 3 s are longer
        Setting(loop=loop, works=60, drain=4, shutdown_timeout=1),  # the drain is
    ):
        async with deployed(setting, by) as server:
            busy = await watch(server.port, request("POST", "/work", body=b""), begins=False)
            gone = await watch(server.port, request("POST", "/work", body=b""), begins=False)
            stream = await watch(server.port, get("/stubborn"))
            await all_open(server.port, 3)
            gone.hang_up()
            ends = asyncio.gather(busy.end(), stream.end())
            told = await stop(server)
            await ends
        [closes] = told.when("database closes")
        longest = max(2 * setting.shutdown_timeout, setting.drain + 1)
        assert closes < longest + 0.5
        finallies = told.when("work finally")
        assert len(finallies) == 2
        assert max(finallies) <= closes
        assert told.said.count("POST /work given up at shutdown after") == 2


async def test_a_handler_that_swallows_its_cancellation_is_named_and_holds_no_other_up() -> None:
    async with deployed(Setting(shutdown_timeout=5), "run_app") as server:
        stubborn = await watch(server.port, get("/stubborn"))
        events = await watch_many(server.port, get("/events"), 20)
        ends = asyncio.gather(*(one.end() for one in [stubborn, *events]))
        told = await stop(server)
        await ends
    assert max(one.ended for one in events) - told.began < 2
    assert stubborn.ended - told.began < 3
    assert "GET /stubborn ignored its cancellation" in told.said
    assert "GET /events ignored" not in told.said


@pytest.mark.parametrize("runner", ["run_app", "run_app on uvloop", "AppRunner"])
async def test_a_body_that_can_no_longer_arrive_fails_at_once(runner: str) -> None:
    by, loop = RUNNERS[runner]
    async with deployed(Setting(loop=loop), by) as server:
        begun = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbegun"
        uploads = [await watch(server.port, begun, begins=False) for _ in range(5)]
        await all_open(server.port, 5)
        ends = asyncio.gather(*(one.end() for one in uploads))
        told = await stop(server)
        await ends
    assert len(told.when("body failed with HTTPServiceUnavailable")) == 5
    [closes] = told.when("database closes")
    assert closes < 1
    for one in uploads:
        answer = one.answer()
        assert answer is not None and answer.status == 503


@pytest.mark.parametrize("waits", [True, False], ids=["a client waits", "nobody waits"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
async def test_a_second_signal_ends_the_process_at_once(guarded: bool, waits: bool) -> None:
    async with deployed(Setting(guarded=guarded, works=60), "run_app") as server:
        busy = await watch(server.port, request("POST", "/work", body=b""), begins=False)
        gone = await watch(server.port, request("POST", "/work", body=b""), begins=False)
        await all_open(server.port, 2)
        gone.hang_up()
        if not waits:
            busy.hang_up()
        ends = asyncio.ensure_future(busy.end())
        stopping = asyncio.ensure_future(stop(server))
        await asyncio.sleep(1)
        if server.process.returncode is None:  # aiohttp alone does not wait for who has gone
            server.process.terminate()
        told = await stopping
        await ends
    assert told.ended - told.stopped < 4
    if guarded:
        assert len(told.when("work finally")) == 2
        assert told.said.count("POST /work given up at shutdown") == 2
