"""WebSockets under `timeout` and `shield`."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession, WSMsgType, web

from routeguard import Policy, errors, rule, setup, shield, shielded_count, timeout
from tests.support.serving import Server, serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1
GOING_AWAY, INTERNAL_ERROR = 1001, 1011  # RFC 6455, section 7.4.1


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def silent(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await asyncio.Event().wait()
    return socket


def app_of(handler: Handler, *policies: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, *policies, drain=0)
    return app


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/"


@pytest.mark.parametrize("handler", [echo, silent])
@pytest.mark.parametrize("shielded", [False, True], ids=["", "shielded"])
@pytest.mark.parametrize("others", [[], [errors()]], ids=str)
async def test_total_closes_a_websocket_with_going_away(
    handler: Handler, shielded: bool, others: list[Policy]
) -> None:
    handler = shield(handler) if shielded else handler
    app = app_of(handler, timeout(SHORT, total=2 * SHORT), *others)
    async with (
        serving(app) as server,
        ClientSession() as session,
        session.ws_connect(url(server)) as socket,
    ):
        message = await socket.receive(timeout=30)
        assert (message.type, message.data) == (WSMsgType.CLOSE, GOING_AWAY)


@pytest.mark.parametrize("others", [[], [errors()]], ids=str)
async def test_a_shields_limit_closes_a_websocket_in_good_order(others: list[Policy]) -> None:
    app = app_of(shield(limit=2 * SHORT)(silent), *others)
    async with (
        serving(app) as server,
        ClientSession() as session,
        session.ws_connect(url(server)) as socket,
    ):
        message = await socket.receive(timeout=30)
        assert message.type == WSMsgType.CLOSE
        assert message.data in (GOING_AWAY, INTERNAL_ERROR)


@pytest.mark.parametrize(
    "policy", [timeout(2 * SHORT), timeout(2 * SHORT, idle=2 * SHORT), timeout(None, idle=SHORT)]
)
async def test_start_and_idle_leave_websockets_alone(policy: timeout) -> None:
    async with (
        serving(app_of(echo, policy)) as server,
        ClientSession() as session,
        session.ws_connect(url(server)) as socket,
    ):
        await asyncio.sleep(5 * SHORT)
        await socket.send_str("still there?")
        assert await socket.receive_str(timeout=30) == "still there?"


async def test_a_handshake_that_comes_too_late_is_answered_with_504() -> None:
    async def slow(request: web.Request) -> web.WebSocketResponse:
        await asyncio.Event().wait()
        return web.WebSocketResponse()

    async with (
        serving(app_of(slow, timeout(SHORT), errors())) as server,
        ClientSession() as session,
        session.get(
            url(server),
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        ) as response,
    ):
        assert response.status == 504


@pytest.mark.parametrize(
    ("decorated", "policies", "shielded"),
    [
        (False, [shield], False),
        (False, [rule("/*", shield)], False),
        (False, [rule("GET /", shield(limit=50)), shield], False),
        (True, [], True),
        (True, [rule("/*", shield)], True),
    ],
    ids=str,
)
async def test_a_handshake_is_shielded_only_by_a_decorator(
    decorated: bool, policies: list[Policy], shielded: bool
) -> None:
    counts: list[int] = []
    cancelled, gate = asyncio.Event(), asyncio.Event()
    finished: list[str] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        counts.append(shielded_count(app))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("open")
        try:
            await gate.wait()
            finished.append("to the end")
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return socket

    app = app_of(shield(handler) if decorated else handler, *policies)
    async with (
        serving(app, handler_cancellation=True) as server,
        ClientSession() as session,
    ):
        socket = await session.ws_connect(url(server))
        assert await socket.receive_str(timeout=30) == "open"
        assert counts == [int(shielded)]
        await session.close()  # without a closing handshake
        if shielded:
            await asyncio.sleep(SHORT)
            assert not cancelled.is_set()
            gate.set()
            await until(lambda: finished)
        else:
            await soon(cancelled)


async def test_a_view_class_shields_its_handshake() -> None:
    counts: list[int] = []

    @shield
    class Chat(web.View):
        async def get(self) -> web.StreamResponse:
            counts.append(shielded_count(app))
            return await echo(self.request)

    class Talk(web.View):
        @shield
        async def get(self) -> web.StreamResponse:
            counts.append(shielded_count(app))
            return await echo(self.request)

    app = web.Application()
    app.router.add_view("/", Chat)
    app.router.add_view("/talk", Talk)
    setup(app)
    async with serving(app) as server, ClientSession() as session:
        for path in ("", "talk"):
            async with session.ws_connect(url(server) + path) as socket:
                await socket.send_str("hello")
                assert await socket.receive_str(timeout=30) == "hello"
    assert counts == [1, 1]


async def test_detached_work_cannot_send_on_a_websocket_that_was_closed() -> None:
    gate, ended = asyncio.Event(), asyncio.Event()
    told: list[BaseException] = []

    @shield
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await gate.wait()
        try:
            await socket.send_str("too late")
        except BaseException as error:
            told.append(error)
        ended.set()
        return socket

    async with (
        serving(app_of(handler, timeout(None, total=SHORT))) as server,
        ClientSession() as session,
        session.ws_connect(url(server)) as socket,
    ):
        message = await socket.receive(timeout=30)
        assert message.type == WSMsgType.CLOSE
        gate.set()
        await soon(ended)
    assert [isinstance(error, ConnectionError) for error in told] == [True]
