"""Clients that hang up at every stage: nothing is lost, leaked or complained of.

That asyncio has no complaint (an exception never retrieved, a task destroyed while pending) is
watched for every test of the suite.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from routeguard import Policy, cors, errors, https, setup, shield, shielded_count, timeout, use
from tests.support.messages import request
from tests.support.serving import Client, Server, serving, soon, until

pytestmark = pytest.mark.faults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEAD = b"POST /work HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n"
STAGES = (
    "before the head's end",
    "before the body",
    "in the body",
    "at once",
    "before the first await",
    "during",
    "after the start",
    "after the end",
)


async def passing(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


POLICIES: dict[str, list[Policy]] = {
    "none": [],
    "timeout": [timeout(50, idle=50, total=50)],
    "shield": [shield],
    "both": [timeout(50, idle=50, total=50), shield],
    "limited": [shield(limit=50)],
    "all": [
        timeout(50, idle=50, total=50),
        shield,
        errors(),
        cors("*"),
        https(),
        use(passing),
    ],
}


class Stage:
    """A handler that can be left at every stage, and how often it did what."""

    def __init__(self, *policies: Policy) -> None:
        self.begun, self.gate, self.streaming = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.read = self.ended = 0
        self.app = web.Application()
        self.app.router.add_post("/work", self.work)
        self.app.router.add_get("/still-there", self.still_there)
        setup(self.app, *policies)

    async def still_there(self, request: web.Request) -> web.Response:
        return web.Response(text="yes")

    async def work(self, request: web.Request) -> web.StreamResponse:
        self.begun.set()
        if "X-Stream" in request.headers:
            stream = web.StreamResponse()
            await stream.prepare(request)
            await stream.write(b"some")
            self.streaming.set()
            await self.gate.wait()
            await stream.write(b"more")
            self.ended += 1
            return stream
        await request.read()
        self.read += 1
        await self.gate.wait()
        self.ended += 1
        return web.Response(text="done")


async def reach(server: Server, stage: Stage, name: str) -> Client:
    """A client that has come as far as the stage says."""
    client = await server.dial()
    body = bytes(20_000)
    match name:
        case "before the head's end":
            client.send(HEAD[:30])
        case "before the body":
            client.send(HEAD)
            await soon(stage.begun)
        case "in the body":
            client.send(HEAD + body[:7_000])
            await soon(stage.begun)
        case "at once":
            client.send(HEAD + body)
        case "before the first await":
            client.send(HEAD + body)
            await client.writer.drain()
            await asyncio.sleep(0)
        case "during":
            client.send(HEAD + body)
            await until(lambda: stage.read)
        case "after the start":
            client.send(request("POST", "/work", body=b"", X_Stream="1"))
            await soon(stage.streaming)
            assert (await client.begun()).status == 200
        case "after the end":
            client.send(HEAD + body)
            stage.gate.set()
            await client.answer()
    return client


@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize("name", STAGES)
async def test_a_client_hangs_up(name: str, cancellation: bool) -> None:
    for policies, reset in itertools.product(POLICIES.values(), (False, True)):
        stage = Stage(*policies)
        async with serving(stage.app, handler_cancellation=cancellation) as server:
            await hang_up(server, stage, name, reset=reset)
        if name == "after the end" or (name == "during" and shield in policies):
            assert stage.ended == 3, (policies, reset)


async def hang_up(server: Server, stage: Stage, name: str, *, reset: bool) -> None:
    """Three clients come as far as the stage says and go; then all is as it was before."""
    await (await server.dial()).get("/still-there").answer()
    before = asyncio.all_tasks()
    clients = [await reach(server, stage, name) for _ in range(3)]
    for client in clients:
        client.hang_up(reset=reset)
    probe = await server.dial()
    assert (await probe.get("/still-there").answer()).body == b"yes"
    probe.hang_up()
    stage.gate.set()
    await until(lambda: asyncio.all_tasks() <= before)
    await until(lambda: shielded_count(stage.app) == 0)


@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize("policies", POLICIES)
async def test_a_crowd_hangs_up_at_all_stages_at_once(policies: str, cancellation: bool) -> None:
    stage = Stage(*POLICIES[policies])
    body = bytes(20_000)
    whole = HEAD + body
    lengths = [10, len(HEAD), len(HEAD) + 1, len(whole) - 1, len(whole)]
    async with serving(stage.app, handler_cancellation=cancellation) as server:
        await (await server.dial()).get("/still-there").answer()
        before = asyncio.all_tasks()
        for i in range(150):
            client = (await server.dial()).send(whole[: lengths[i % 5]])
            for _ in range(i % 7):
                await asyncio.sleep(0)
            client.hang_up(reset=i % 2 == 0)
        stage.gate.set()
        probe = await server.dial()
        assert (await probe.get("/still-there").answer()).body == b"yes"
        probe.hang_up()
        await until(lambda: asyncio.all_tasks() <= before)
        await until(lambda: shielded_count(stage.app) == 0)
