"""A limit that has to be awaited, on shielded routes: it is asked inside the owned task."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

import routeguard
from routeguard import Policy, concurrency_limit, errors, rate_limit, rule, shield, timeout
from tests.support.redis import RedisServer
from tests.support.serving import PATIENCE, serving, until

CLIENTS = 400


class Rows:
    """A handler that writes rows."""

    def __init__(self) -> None:
        self.written: list[int] = []

    async def write(self, request: web.Request) -> web.Response:
        value = int(await request.text())
        await asyncio.sleep(0.01)
        self.written.append(value)
        return web.Response(text=str(value))


def shared(url: str) -> Policy:
    return rate_limit("100000/hour", store=url)


def slow_key(url: str) -> Policy:
    async def key(request: web.Request) -> str:
        await asyncio.sleep(0.001)
        return "everybody"

    return rate_limit("100000/hour", key=key)


@pytest.mark.parametrize("limit", [shared, slow_key])
@pytest.mark.parametrize("cancels", [True, False])
async def test_clients_that_post_and_hang_up_at_once_lose_nothing(
    redis: RedisServer, limit: Callable[[str], Policy], cancels: bool
) -> None:
    rows = Rows()
    app = web.Application()
    app.router.add_post("/rows", rows.write)
    policies = (limit(redis.url), errors(), timeout(20), concurrency_limit(CLIENTS), shield)
    routeguard.setup(app, *policies)
    async with serving(app, handler_cancellation=cancels) as server:
        await asyncio.sleep(0.2)
        clients = [await server.dial() for _ in range(CLIENTS)]
        for number, client in enumerate(clients):
            client.post("/rows", str(number).encode())
        for client in clients:
            await client.writer.drain()
            client.writer.close()
        async with asyncio.timeout(PATIENCE):
            await until(lambda: len(rows.written) == CLIENTS)
    assert sorted(rows.written) == list(range(CLIENTS))


@pytest.mark.parametrize("limit", [shared, slow_key])
async def test_it_refuses_counts_once_and_tells(
    redis: RedisServer, limit: Callable[[str], Policy]
) -> None:
    rows = Rows()

    class again(Policy):  # noqa: N801
        async def handle(
            self,
            request: web.Request,
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        ) -> web.StreamResponse:
            both = await asyncio.gather(handler(request), handler(request))
            return both[0]

    policy = limit(redis.url)
    assert isinstance(policy, rate_limit)
    two = rate_limit(
        "2/hour", key=policy.key, store=None if policy.store is None else policy.store.url
    )
    app = web.Application()
    app.router.add_post("/rows", rows.write)
    routeguard.setup(app, two, errors(), again(), shield)
    async with serving(app) as server:
        await asyncio.sleep(0.2)
        for left in (1, 0):
            answer = await (await server.dial()).post("/rows", b"1").answer()
            assert answer.status == 200
            assert answer.headers["ratelimit"].startswith(f'"2/hour";r={left};')
        answer = await (await server.dial()).post("/rows", b"1").answer()
        assert answer.status == 429
        assert answer.headers["ratelimit"].startswith('"2/hour";r=0;')
        assert answer.headers["retry-after"] == "3600"
    assert len(rows.written) == 4


async def test_clients_that_leave_are_counted_where_nothing_is_shielded(
    redis: RedisServer,
) -> None:
    """A request that was cancelled while the store was asked leaves nothing behind."""
    rows = Rows()
    app = web.Application()
    app.router.add_post("/rows", rows.write)
    routeguard.setup(app, shared(redis.url))
    async with serving(app, handler_cancellation=True) as server:
        await asyncio.sleep(0.2)
        for number in range(50):
            client = (await server.dial()).post("/rows", str(number).encode())
            await client.writer.drain()
            client.hang_up(reset=number % 2 == 0)
        assert (await (await server.dial()).post("/rows", b"50").answer()).status == 200
    for key in await redis.command("KEYS", "*"):
        assert await redis.command("PTTL", key) > 0


async def test_websockets_that_a_rules_shield_leaves_alone_are_counted(redis: RedisServer) -> None:
    async def feed(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/feed", feed)
    routeguard.setup(app, rule("/feed", shield), rate_limit("1/hour", store=redis.url))
    async with serving(app) as server, aiohttp.ClientSession() as session:
        await asyncio.sleep(0.2)
        url = f"http://127.0.0.1:{server.port}/feed"
        async with session.ws_connect(url) as socket:
            assert await socket.receive_str() == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url)
        assert refused.value.status == 429
