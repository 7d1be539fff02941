"""How slow a body may be: only the time counts in which somebody waits for it."""

import asyncio
import gzip
import time

import pytest
from aiohttp import web

from routeguard import BodyTimeout, Policy, body, errors, shield, timeout
from tests.server.body.sending import (
    FRAMINGS,
    MULTIPART,
    WAYS,
    Reading,
    closes,
    goes_on,
    head,
    in_chunks,
)
from tests.support.serving import Client, Server, serving, soon

READ = WAYS["read"].read
GZIP = gzip.compress(b"x" * 99)
SHORT = 0.15
LONG = 60.0


async def drip(client: Client, sent: bytes, gap: float) -> None:
    """Sends byte by byte until all is sent, or the server answers."""
    for one in range(len(sent)):
        if client.reader._buffer:  # type: ignore[attr-defined]
            return
        client.send(sent[one : one + 1])
        await asyncio.sleep(gap)


async def begun(server: Server, fields: bytes, sent: bytes = b"") -> Client:
    client = await server.dial()
    return client.send(head(fields) + sent)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", [body(idle=SHORT), body(total=SHORT)], ids=str)
async def test_silence_is_a_408(policy: body, way: str) -> None:
    one = WAYS[way]
    reading = Reading(one.read, (policy, errors()), client_max_size=10_000)
    whole = one.body(3000)
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        fields, sent = FRAMINGS["Content-Length"](whole)
        client.send(head(fields, one.content_type) + sent[:1500])
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert not await goes_on(client, answer)
    [error] = reading.outcomes
    assert isinstance(error, BodyTimeout)
    assert error.seconds == SHORT
    assert error.bound == ("idle" if policy.idle else "total")


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_each_byte_ends_a_silence(framing: str) -> None:
    """Those of chunks' framing too, and those of which nothing can be unpacked yet."""
    reading = Reading(READ, (body(idle=1.5),))
    fields, sent = FRAMINGS[framing](b"12345678")
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, fields)
        before = time.monotonic()
        await drip(client, sent, max(0.05, 2.5 / len(sent)))
        assert (await client.answer()).status == 200
        assert time.monotonic() - before > 1.5
    assert reading.outcomes == [b"12345678"]


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_steady_drip_does_not_last_for_ever(framing: str) -> None:
    reading = Reading(READ, (body(idle=LONG, total=0.3),))
    fields, sent = FRAMINGS[framing](bytes(range(256)))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, fields)
        await drip(client, sent, 0.01)
        assert (await client.answer()).status == 408
    [error] = reading.outcomes
    assert isinstance(error, BodyTimeout)
    assert error.bound == "total"


def gzip_with_a_long_name(content: bytes) -> bytes:
    """RFC 1952, section 2.3: a header of which nothing can be unpacked until the name has ended."""
    packed = gzip.compress(content)
    return packed[:3] + b"\x08" + packed[4:10] + b"a" * 200 + b"\0" + packed[10:]


async def test_a_gzip_header_that_drips_is_heard() -> None:
    """Nothing is unpacked of it, and nobody but the connection knows that it comes."""
    reading = Reading(READ, (body(idle=1),))
    sent = gzip_with_a_long_name(b"tea")
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        fields = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(sent)
        client = await begun(server, fields)
        before = time.monotonic()
        await drip(client, sent[:210], 0.01)
        assert time.monotonic() - before > 1.5
        client.send(sent[210:])
        assert (await client.answer()).status == 200
    assert reading.outcomes == [b"tea"]


async def test_a_gzip_header_that_drips_is_bounded() -> None:
    reading = Reading(READ, (body(idle=LONG, total=0.3),))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Content-Encoding: gzip\r\nContent-Length: 9999\r\n")
        await drip(client, gzip_with_a_long_name(b"")[:200], 0.01)
        assert (await client.answer()).status == 408


async def test_a_slow_handler_costs_the_client_nothing() -> None:
    async def read_slowly(request: web.Request) -> object:
        await asyncio.sleep(3 * SHORT)
        parts = []
        async for part in request.content.iter_chunked(400_000):
            parts.append(len(part))
            await asyncio.sleep(0.7 * SHORT)
        return sum(parts)

    reading = Reading(read_slowly, (body(None, idle=SHORT, total=SHORT),))
    fields, sent = FRAMINGS["Content-Length"](bytes(2_000_000))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, fields, sent)
        assert (await client.answer()).status == 200
    assert reading.outcomes == [2_000_000]


async def test_waiting_for_a_full_buffer_to_end_is_not_the_clients_fault() -> None:
    """`wait_eof` reads nothing, so that the server has stopped taking more."""

    async def wait(request: web.Request) -> object:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(request.content.wait_eof(), 4 * SHORT)
        return await request.content.read()

    reading = Reading(wait, (body(None, idle=SHORT, total=SHORT),))
    fields, sent = FRAMINGS["Content-Length"](bytes(4_000_000))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, fields, sent)
        assert (await client.answer()).status == 200


async def test_a_task_that_the_handler_waits_for_may_be_the_one_that_reads() -> None:
    async def read_in_a_task(request: web.Request) -> object:
        async with asyncio.TaskGroup() as group:
            found = group.create_task(request.read())
            group.create_task(asyncio.sleep(LONG))
        return found.result()

    reading = Reading(read_in_a_task, (body(idle=SHORT), errors()))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Content-Length: 10\r\n", b"123")
        assert (await client.answer()).status == 408


BOUNDS: list[tuple[Policy, ...]] = [
    (timeout(SHORT),),
    (timeout(None, total=SHORT),),
    (timeout(SHORT), shield),
    (timeout(SHORT), body(1000)),
    (timeout(SHORT), body(1000), shield),
    (shield(limit=SHORT),),
]


@pytest.mark.parametrize("policies", BOUNDS, ids=str)
@pytest.mark.parametrize("answering", [(), (errors(),)], ids=["", "errors"])
async def test_a_bound_of_the_handler_that_passes_in_a_wait_is_a_408(
    policies: tuple[Policy, ...], answering: tuple[Policy, ...]
) -> None:
    reading = Reading(READ, (*policies, *answering))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Content-Length: 10\r\n", b"123")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")


@pytest.mark.parametrize("policies", BOUNDS, ids=str)
@pytest.mark.parametrize("how", ["read before", "never read", "reads no more"])
async def test_a_bound_that_passes_elsewhere_is_a_504(
    how: str, policies: tuple[Policy, ...]
) -> None:
    """However much of the body has come: it was not the client that was late."""

    async def work(request: web.Request) -> object:
        if how == "read before":
            await request.read()
        if how == "reads no more":
            await request.content.readany()
        await asyncio.sleep(LONG)
        return None

    reading = Reading(work, (*policies, errors()))
    length = 3 if how == "read before" else 10
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Content-Length: %d\r\n" % length, b"123")
        assert (await client.answer()).status == 504


async def test_shielded_work_goes_on_with_a_body_that_fails() -> None:
    ended = asyncio.Event()
    failures: list[Exception] = []

    async def work(request: web.Request) -> object:
        for _ in range(2):
            try:
                await request.content.readany()
                await request.content.readany()
            except ConnectionError as error:
                failures.append(error)
        ended.set()
        return None

    reading = Reading(work, (timeout(SHORT), shield))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Content-Length: 10\r\n", b"123")
        assert (await client.answer()).status == 408
        await soon(ended)
    assert len(failures) == 2


@pytest.mark.parametrize("policies", [(), (shield,)], ids=str)
async def test_a_body_timeout_inside_a_shield_is_answered(policies: tuple[Policy, ...]) -> None:
    reading = Reading(READ, (body(idle=SHORT), timeout(LONG), errors(), *policies))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Content-Length: 10\r\n", b"123")
        assert (await client.answer()).status == 408
        await asyncio.sleep(0)


@pytest.mark.parametrize("policies", [(), (shield,)], ids=str)
@pytest.mark.parametrize(
    ("fields", "before", "bad"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"zz\r\n"),
        (b"Content-Encoding: gzip\r\nContent-Length: 90\r\n", b"", b"this is no gzip"),
        (b"Content-Encoding: gzip\r\nContent-Length: 90\r\n", GZIP[:9], b"-" * 30),
        (b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"", b"5\r\nwrong\r\n"),
        (b"Content-Encoding: deflate\r\nContent-Length: 90\r\n", b"", b"\xff" * 30),
    ],
    ids=["chunk", "gzip", "later in gzip", "gzip in chunks", "deflate"],
)
async def test_a_body_that_cannot_be_decoded_is_a_400(
    fields: bytes, before: bytes, bad: bytes, policies: tuple[Policy, ...]
) -> None:
    """At once, though aiohttp's parser in C does not tell the handler of a malformed chunk."""
    reading = Reading(READ, (body(1000), *policies))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, fields, before)
        await asyncio.sleep(0.02)
        client.send(bad)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert not await goes_on(client, answer)


@pytest.mark.parametrize("policies", [(body(idle=SHORT),), (timeout(SHORT),)], ids=str)
async def test_the_connection_of_a_client_that_was_late_closes(
    policies: tuple[Policy, ...],
) -> None:
    """By itself, and in less time than aiohttp waits for others."""
    reading = Reading(READ, policies)
    async with serving(reading.app(), lingering_time=3) as server:
        client = await begun(server, b"Content-Length: 10\r\n")
        assert (await client.answer()).status == 408
        assert await closes(client)


async def test_a_client_that_is_still_sending_can_read_its_408() -> None:
    """The connection reads on for a while; closed at once, it would be reset."""
    reading = Reading(READ, (body(None, total=SHORT),))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await begun(server, b"Transfer-Encoding: chunked\r\n")
        until = time.monotonic() + SHORT + 1
        while time.monotonic() < until:
            client.send(in_chunks(bytes(1000))[:-5])
            await asyncio.sleep(0.02)
        assert (await client.answer()).status == 408


async def test_a_part_of_a_form_that_does_not_come() -> None:
    reading = Reading(WAYS["multipart"].read, (body(idle=SHORT),))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        client.send(head(b"Content-Length: 1000\r\n", MULTIPART) + b"--x-boun")
        assert (await client.answer()).status == 408
