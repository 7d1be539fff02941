"""What the client does wrong is no error of the server's, whatever the handler makes of it."""

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from routeguard import Policy, body, errors, problem_details, shield, timeout
from tests.server.body.sending import Reading, head
from tests.support.serving import Client, serving, until

SHORT = 0.15
SENT: dict[str, tuple[bytes, bytes, int | None]] = {
    "too large": (b"Transfer-Encoding: chunked\r\n", b"7d0\r\n" + bytes(2000) + b"\r\n", 413),
    "too large by its length": (b"Content-Length: 2000\r\n", bytes(100), 413),
    "too slow": (b"Content-Length: 100\r\n", b"some", 408),
    "corrupt": (b"Content-Encoding: gzip\r\nContent-Length: 50\r\n", b"no gzip" * 4, 400),
    "malformed": (b"Transfer-Encoding: chunked\r\n", b"f\r\n123451234512345\r\nzz\r\n", 400),
    "bomb": (
        b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n",
        gzip.compress(bytes(9_000_000)),
        413,
    ),
    "gone": (b"Content-Length: 100\r\n", b"some", None),
}


async def plain(request: web.Request) -> object:
    return await request.read()


async def wrapped(request: web.Request) -> object:
    try:
        return await request.read()
    except Exception as error:
        raise RuntimeError("no input") from error


async def grouped(request: web.Request) -> object:
    async with asyncio.TaskGroup() as group:
        return group.create_task(request.read())


async def passed_on(request: web.Request) -> object:
    """To another server, whose client makes an error of its own of it."""

    async def sink(request: web.Request) -> web.Response:
        with suppress(Exception):  # it is of this server that the log is to be silent
            await request.read()
        return web.Response()

    other = web.Application(client_max_size=0)
    other.router.add_post("/", sink)
    async with (
        serving(other, shutdown_timeout=0.1) as server,
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{server.port}/", data=request.content) as answer,
    ):
        return await answer.text()


async def streamed(request: web.Request) -> object:
    """The response has started when the body fails."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun ")
    async for chunk in request.content.iter_any():
        await response.write(chunk)
    await response.write_eof(b" ended")
    return response


HANDLERS: list[Callable[[web.Request], Awaitable[object]]] = [plain, wrapped, grouped, passed_on]
AROUND: dict[str, tuple[Policy, ...]] = {
    "bare": (),
    "errors": (errors(),),
    "problem": (errors(problem_details), timeout(60)),
    "shield": (shield, errors()),
    "shield alone": (shield,),
}


def loud(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno > logging.INFO]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "routeguard.body"]


async def sent(client: Client, what: str) -> None:
    fields, content, _ = SENT[what]
    client.send(head(fields) + content[:20])
    await asyncio.sleep(0.02)
    client.send(content[20:])
    if what == "gone":
        await asyncio.sleep(0.05)
        client.hang_up()


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("what", SENT)
async def test_it_is_answered_as_what_it_was(
    what: str,
    handler: Callable[[web.Request], Awaitable[object]],
    around: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    policies = (body(1000, idle=SHORT if what == "too slow" else 30), *AROUND[around])
    reading = Reading(handler, policies)
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        await sent(client, what)
        status = SENT[what][2]
        if status is not None:
            assert (await client.answer()).status == status
        else:
            await until(lambda: told(caplog))
    assert loud(caplog) == []
    assert len(told(caplog)) == 1


@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize("policies", [(), (errors(),), (shield,)], ids=str)
# Of what is too large by its length, the handler does not run.
@pytest.mark.parametrize("what", [what for what in SENT if what != "too large by its length"])
async def test_after_the_response_has_started(
    what: str,
    policies: tuple[Policy, ...],
    cancellation: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is broken off so that the client can tell, and no second response follows."""
    caplog.set_level(logging.INFO)
    idle = SHORT if what == "too slow" else 30
    reading = Reading(streamed, (body(1000, idle=idle), *policies))
    async with serving(
        reading.app(), shutdown_timeout=0.1, handler_cancellation=cancellation
    ) as server:
        client = await server.dial()
        await sent(client, what)
        if what == "gone":
            await until(lambda: reading.outcomes)
        else:
            with suppress(ConnectionResetError):  # it was still sending
                answer = await client.rest()
                assert (answer.status, answer.complete) == (200, False)
            assert client.received.count(b"HTTP/1.1") <= 1
    assert loud(caplog) == []


@pytest.mark.parametrize("policies", [(), (shield,)], ids=str)
async def test_a_bound_of_the_handler_after_the_response_has_started(
    policies: tuple[Policy, ...], caplog: pytest.LogCaptureFixture
) -> None:
    reading = Reading(streamed, (body(1000), timeout(None, total=SHORT), errors(), *policies))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        await sent(client, "too slow")
        answer = await client.rest()
        assert (answer.status, answer.complete) == (200, False)
    assert loud(caplog) == []


async def test_an_answer_that_the_handler_chose_itself_stays() -> None:
    async def chosen(request: web.Request) -> object:
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise web.HTTPUnprocessableEntity from None

    reading = Reading(chosen, (body(1000),))
    async with serving(reading.app()) as server:
        client = await server.dial()
        await sent(client, "too large")
        assert (await client.answer()).status == 422


async def test_an_error_that_the_body_has_no_part_in_is_the_servers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(request: web.Request) -> object:
        await request.content.readany()
        raise KeyError("own")

    reading = Reading(broken, (body(1000), errors()))
    async with serving(reading.app()) as server:
        client = (await server.dial()).send(head(b"Content-Length: 3\r\n") + b"abc")
        assert (await client.answer()).status == 500
    assert len(loud(caplog)) == 1


async def test_a_body_that_nobody_reads_is_nobodys_concern(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It may be too large or too slow: the answer has been given, and the connection lingers."""
    caplog.set_level(logging.INFO)

    async def unread(request: web.Request) -> object:
        return None

    for what in SENT:
        reading = Reading(unread, (body(1000, idle=SHORT),))
        async with serving(reading.app(), shutdown_timeout=0.1) as server:
            client = await server.dial()
            await sent(client, what)
            if what != "gone":
                expected = 413 if what == "too large by its length" else 200
                assert (await client.answer()).status == expected
            await asyncio.sleep(2 * SHORT)
    assert loud(caplog) == []


@pytest.mark.parametrize("policies", [(), (errors(),), (timeout(60), errors()), (shield,)], ids=str)
@pytest.mark.parametrize("begins", [False, True], ids=["", "response begun"])
async def test_a_client_that_leaves_before_its_whole_body_was_read(
    policies: tuple[Policy, ...], begins: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp hands out no byte of it any more, though all have arrived; a shield has it do so."""
    caplog.set_level(logging.INFO)
    begun, gate = asyncio.Event(), asyncio.Event()

    async def read_late(request: web.Request) -> object:
        begun.set()
        if begins:
            await web.StreamResponse().prepare(request)
        await gate.wait()
        try:
            return await request.read()
        except OSError as error:
            raise RuntimeError("no input") from error

    reading = Reading(read_late, (body(1000), *policies))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = (await server.dial()).send(head(b"Content-Length: 4\r\n") + b"body")
        await begun.wait()
        client.hang_up(reset=True)
        await asyncio.sleep(0.1)
        gate.set()
        await until(lambda: reading.outcomes)
    assert loud(caplog) == []
    if shield in policies:
        assert reading.outcomes == [b"body"]
    else:
        assert len(told(caplog)) == 1


async def test_an_error_that_has_nothing_to_do_with_the_client_that_left_is_the_servers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def broken(request: web.Request) -> object:
        begun.set()
        await gate.wait()
        raise KeyError("own")

    reading = Reading(broken, (body(1000), errors()))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = (await server.dial()).send(head(b"Content-Length: 4\r\n") + b"body")
        await begun.wait()
        client.hang_up(reset=True)
        await asyncio.sleep(0.1)
        gate.set()
        await until(lambda: loud(caplog))
    assert "failed with 500" in loud(caplog)[0]
