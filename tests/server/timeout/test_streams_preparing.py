"""A bound that is passed while a response is being prepared: never two answers mixed into one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import Policy, errors, setup, shield, timeout
from tests.support.serving import Client, serving, soon

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1


class Slow:
    """The hook of an application's own, which takes its time over the first response."""

    def __init__(self) -> None:
        self.entered, self.gate = asyncio.Event(), asyncio.Event()

    async def hook(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self.entered.is_set():
            self.entered.set()
            await self.gate.wait()


async def chunked(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    await stream.write(b"stray")
    return stream


async def compressed(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.enable_compression(web.ContentCoding.gzip)
    await stream.prepare(request)
    await stream.write(b"stray")
    return stream


async def of_known_length(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.content_length = 5
    await stream.prepare(request)
    await stream.write(b"stray")
    return stream


async def plain(request: web.Request) -> web.StreamResponse:
    response = web.Response(text="stray")
    await response.prepare(request)
    await response.write_eof()
    return response


async def file(request: web.Request) -> web.StreamResponse:
    response = web.FileResponse(Path(__file__))
    await response.prepare(request)
    return response


async def second(request: web.Request) -> web.Response:
    return web.Response(text="second")


async def check_what_the_client_gets(client: Client, slow: Slow) -> None:
    """A whole 504 and then its own second answer, or a connection that is cut."""
    client.get("/")
    await soon(slow.entered)
    try:
        answer = await client.answer()
        assert (answer.status, answer.complete) == (504, True)
        slow.gate.set()
        for _ in range(2):
            answer = await client.get("/second").answer()
            assert (answer.status, answer.body) == (200, b"second")
    except (EOFError, ConnectionResetError):
        return


@pytest.mark.parametrize("others", [[], [shield]], ids=str)
@pytest.mark.parametrize("policy", [timeout(SHORT), timeout(None, total=SHORT)], ids=repr)
@pytest.mark.parametrize("handler", [chunked, compressed, of_known_length, plain, file])
@pytest.mark.parametrize("before", [True, False], ids=["before our hook", "after our hook"])
async def test_nothing_is_mixed(
    before: bool, handler: Handler, policy: timeout, others: list[Policy]
) -> None:
    if not before and policy.seconds is not None:
        policy = timeout(SHORT, total=SHORT)  # after our hook, the response has started
    slow = Slow()
    app = web.Application()
    app.router.add_get("/", handler)
    app.router.add_get("/second", second)
    if before:
        app.on_response_prepare.append(slow.hook)
    setup(app, policy, *others, errors(), drain=0)
    if not before:
        app.on_response_prepare.append(slow.hook)
    async with serving(app) as server:
        await check_what_the_client_gets(await server.dial(), slow)


@pytest.mark.parametrize("error", [ValueError("hook"), web.HTTPConflict(text="hook")], ids=repr)
@pytest.mark.parametrize("handler", [chunked, compressed])
@pytest.mark.parametrize("before", [True, False], ids=["before our hook", "after our hook"])
async def test_a_hook_that_fails_leaves_no_mixture(
    before: bool, handler: Handler, error: Exception
) -> None:
    """Its error is the handler's, and answered on a writer that is prepared for another body."""

    async def failing(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 200 and request.path == "/":
            raise error

    app = web.Application()
    app.router.add_get("/", handler)
    app.router.add_get("/second", second)
    if before:
        app.on_response_prepare.append(failing)
    setup(app, errors())
    if not before:
        app.on_response_prepare.append(failing)
    async with serving(app) as server:
        client = await server.dial()
        try:
            assert (await client.get("/").answer()).status == getattr(error, "status", 500)
            assert (await client.get("/second").answer()).body == b"second"
        except (EOFError, ConnectionResetError):
            return
