"""What `body` has no business with, and what it leaves behind: nothing."""

import asyncio
import gc
import weakref

import aiohttp
import pytest
from aiohttp import web

from routeguard import Policy, body, cors, errors, exempt, rule, setup, shield, timeout
from tests.server.body.sending import FRAMINGS, WAYS, Reading, head
from tests.support.messages import request
from tests.support.serving import serving, until

READ = WAYS["read"].read
LARGE = bytes(2000)


async def test_requests_that_match_no_route_are_not_judged() -> None:
    reading = Reading(READ, (body(1000, idle=0.1), errors()))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        client.send(request("POST", "/nowhere", body=LARGE))
        assert (await client.answer()).status == 404
        client.send(request("PUT", "/next", body=LARGE))
        assert (await client.answer()).status == 405
        assert (await client.get("/next").answer()).status == 200


async def test_a_preflight_with_a_body_is_answered() -> None:
    reading = Reading(READ, (body(10), cors("https://app.example.com")))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        client.send(
            request(
                "OPTIONS",
                "/",
                body=LARGE,
                Origin="https://app.example.com",
                Access_Control_Request_Method="POST",
            )
        )
        assert (await client.answer()).status == 204
        assert (await client.get("/next").answer()).status == 200


async def test_a_websocket_is_open_as_long_as_it_likes() -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", echo)
    setup(app, body(10, idle=0.1, total=0.1), shield, errors())
    async with (
        serving(app) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.port}/") as socket,
    ):
        for _ in range(3):
            await asyncio.sleep(0.1)
            await socket.send_bytes(LARGE)
            assert await socket.receive_bytes() == LARGE


@pytest.mark.parametrize("entries", [(exempt(body),), ()], ids=["exempt", "nothing stated"])
async def test_routes_without_it_have_aiohttps_own_reader(entries: tuple[Policy, ...]) -> None:
    seen: list[type] = []

    async def look(request: web.Request) -> object:
        seen.extend([type(request), type(request.content)])
        return await request.read()

    around = (rule("/", *entries), body(10)) if entries else ()
    reading = Reading(look, around, client_max_size=10_000)
    async with serving(reading.app()) as server:
        client = (await server.dial()).send(request("POST", "/", body=LARGE))
        assert (await client.answer()).status == 200
    assert seen == [web.Request, aiohttp.StreamReader]


@pytest.mark.parametrize("policies", [(), (shield,), (timeout(60),)], ids=str)
@pytest.mark.parametrize(
    ("fields", "sent", "status"),
    [
        (*FRAMINGS["chunked"](bytes(4_000_000)), 413),
        (*FRAMINGS["gzip"](bytes(4_000_000)), 413),
        (b"Content-Length: 4000000\r\n", bytes(4_000_000), 413),
        (b"Content-Length: 900000\r\n", bytes(300_000), 408),
        (b"Content-Encoding: gzip\r\nContent-Length: 900000\r\n", b"no gzip at all", 400),
    ],
    ids=["chunked", "gzip", "length", "late", "corrupt"],
)
async def test_a_failed_upload_is_freed_without_the_collector(
    fields: bytes, sent: bytes, status: int, policies: tuple[Policy, ...]
) -> None:
    """No cycle of request, exception and traceback is left, which would hold what was uploaded."""
    held: list[weakref.ref[object]] = []

    async def read(request: web.Request) -> object:
        held.append(weakref.ref(request))
        await request.read()
        return None

    async def noted(request: web.Request, handler: object) -> web.StreamResponse:
        held.append(weakref.ref(request))
        assert callable(handler)
        response: web.StreamResponse = await handler(request)
        return response

    reading = Reading(read, (body(1_000_000, idle=0.2), errors(), *policies))
    app = reading.app()
    app.middlewares.append(web.middleware(noted))
    async with serving(app, shutdown_timeout=0.1) as server:
        gc.collect()
        gc.disable()
        try:
            for _ in range(2):
                client = (await server.dial()).send(head(fields) + sent)
                assert (await client.answer()).status == status
                client.hang_up()
            reading.outcomes.clear()
            async with asyncio.timeout(5):
                await until(lambda: all(one() is None for one in held))
        finally:
            gc.enable()


if "handler" in web.RequestHandler.start.__code__.co_varnames:
    # aiohttp 3.11 itself has the task of a connection in a cycle: there is nothing to be seen.
    del test_a_failed_upload_is_freed_without_the_collector
