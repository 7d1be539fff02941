"""What the bounds of `timeout` reach, where they end, and what is never taken for one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import Policy, errors, setup, shield, timeout
from tests.support.messages import request
from tests.support.serving import serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.05


async def hanging(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def test_the_bounds_reach_the_applications_own_middlewares() -> None:
    @web.middleware
    async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.Event().wait()
        return await handler(request)

    app = web.Application(middlewares=[slow])
    app.router.add_get("/", hanging)
    setup(app, timeout(SHORT))
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 504


@pytest.mark.parametrize("swallows", [False, True], ids=["", "swallowed at first"])
async def test_a_disconnect_is_never_turned_into_a_timeout(swallows: bool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    told: list[Exception] = []
    seen: list[type[BaseException]] = []

    async def answer(request: web.Request, error: Exception) -> web.Response:
        told.append(error)
        return web.Response()

    async def handler(request: web.Request) -> web.Response:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not swallows:
                raise
        await asyncio.Event().wait()  # until the deadline
        return web.Response()

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except BaseException as error:
            seen.append(type(error))
            raise
        finally:
            ended.set()

    guarded = web.Application()
    guarded.router.add_get("/", handler)
    setup(guarded, timeout(4 * SHORT if swallows else 1000), errors(answer))
    app = web.Application(middlewares=[note])
    app.add_subapp("/of", guarded)
    async with serving(app, handler_cancellation=True) as server:
        client = (await server.dial()).get("/of/")
        await soon(begun)
        client.hang_up()
        await soon(ended)
    assert seen == [asyncio.CancelledError]
    assert told == []


async def test_all_bounds_end_when_the_handler_returns(tmp_path: Path) -> None:
    """What aiohttp sends after that is aiohttp's: here, a file to a client in no hurry."""
    file = tmp_path / "large"
    file.write_bytes(bytes(16_000_000) + b"the end")
    returned = asyncio.Event()

    async def download(request: web.Request) -> web.FileResponse:
        returned.set()
        return web.FileResponse(file)

    app = web.Application()
    app.router.add_get("/", download)
    setup(app, timeout(4 * SHORT, idle=4 * SHORT, total=4 * SHORT))
    async with serving(app) as server:
        client = (await server.dial()).get("/")
        await soon(returned)
        await asyncio.sleep(8 * SHORT)  # reads nothing meanwhile
        assert await client.skim(until=b"the end") > 16_000_000


@pytest.mark.parametrize("others", [[], [shield]], ids=str)
async def test_a_file_that_is_sent_within_the_handler_is_under_its_total(
    others: list[Policy], tmp_path: Path
) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(32_000_000) + b"the end")

    async def download(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(file)
        await response.prepare(request)  # sends the whole file, at the client's pace
        return response

    app = web.Application()
    app.router.add_get("/", download)
    setup(app, timeout(1000, idle=1000, total=SHORT), *others, drain=0)
    async with serving(app) as server:
        client = (await server.dial()).get("/")
        await client.begun()
        await asyncio.sleep(4 * SHORT)
        with pytest.raises(EOFError):
            await client.skim(until=b"the end")


async def test_an_unrouted_path_has_its_deadline_too() -> None:
    @web.middleware
    async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.Event().wait()
        return await handler(request)

    app = web.Application(middlewares=[slow])
    app.router.add_get("/routed", hanging)
    setup(app, timeout(SHORT))
    async with serving(app) as server:
        client = await server.dial()
        assert (await client.get("/nowhere").answer()).status == 504
        client = await server.dial()
        assert (await client.send(request("PUT", "/routed")).answer()).status == 504


async def test_a_slow_error_handler_is_not_bounded() -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.set()
        await gate.wait()
        return web.Response(status=504, text="at last")

    app = web.Application()
    app.router.add_get("/", hanging)
    setup(app, timeout(SHORT, total=2 * SHORT), errors(answer))
    async with serving(app) as server:
        client = (await server.dial()).get("/")
        await soon(asked)
        await asyncio.sleep(4 * SHORT)
        gate.set()
        assert (await client.answer()).body == b"at last"


async def test_tasks_and_timers_are_gone_after_a_burst() -> None:
    app = web.Application()
    app.router.add_get("/", hanging)
    setup(app, timeout(SHORT), errors())
    async with serving(app) as server:
        before = len(asyncio.all_tasks())
        clients = [(await server.dial()).get("/") for _ in range(50)]
        for client in clients:
            assert (await client.answer()).status == 504
            client.hang_up()
        await until(lambda: len(asyncio.all_tasks()) <= before)
