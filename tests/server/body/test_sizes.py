"""How large a body may be: each way of reading, each framing, around the limit to the byte."""

import asyncio
import random
from itertools import product

import pytest
from aiohttp import web

from routeguard import Policy, body, errors, shield
from routeguard.internals.reader import GuardedReader
from tests.server.body.sending import FRAMINGS, WAYS, Reading, as_is, goes_on, head, send_in
from tests.support.extent import is_brief, some
from tests.support.serving import serving, soon, until

APPLICATION = 1000
LIMITS: dict[str, tuple[body, int | None]] = {
    "lowered": (body(600), 600),
    "raised": (body(3000), 3000),
    "none": (body(None), None),
}


def judged(size: int, limit: int | None) -> int:
    return 200 if limit is None or size <= limit else 413


@pytest.mark.parametrize("by", ["function", "view", "shield", "clone"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_body_is_refused_from_the_first_byte_too_many(way: str, by: str) -> None:
    read, body_of, content_type = WAYS[way].read, WAYS[way].body, WAYS[way].content_type
    for policy, limit in LIMITS.values():
        policies: tuple[Policy, ...] = (policy, shield) if by == "shield" else (policy,)
        reading = Reading(read, policies, by, client_max_size=APPLICATION)
        around = APPLICATION * 5 if limit is None else limit
        sizes = some((around - 1, around, around + 1, around + 2000), brief=(around, around + 1))
        async with serving(reading.app()) as server:
            for number, (size, framing) in enumerate(product(sizes, FRAMINGS.values())):
                fields, sent = framing(body_of(size))
                message = head(fields, content_type)
                segmented: list[list[int]] = [[], [len(message) + len(sent) // 2]]
                for cuts in [segmented[number % 2]] if is_brief() else segmented:
                    client = await server.dial()
                    await send_in(client, message + sent, cuts)
                    answer = await client.answer()
                    assert answer.status == judged(size, limit), (policy, size, fields, cuts)
                    await goes_on(client, answer)
                    client.hang_up()
        assert reading.stolen == 0


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_what_is_read_is_what_was_sent(framing: str) -> None:
    """Nothing gets lost that is within the limit, and nothing is handed out twice."""
    rng = random.Random(framing)
    sent = rng.randbytes(100_000)
    reading = Reading(web.Request.read, (body(100_000),))
    async with serving(reading.app()) as server:
        fields, framed = FRAMINGS[framing](sent)
        client = await server.dial()
        cuts = rng.sample(range(len(framed)), 20)
        await send_in(client, head(fields) + framed, cuts)
        assert (await client.answer()).status == 200
    assert reading.outcomes == [sent]


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_where_no_size_is_given_the_applications_stays(framing: str) -> None:
    """As aiohttp applies it: to `read`, and not to `content`."""
    for way, refused in ("read", 413), ("content.read()", 200):
        reading = Reading(WAYS[way].read, (body(idle=30),), client_max_size=1000)
        async with serving(reading.app()) as server:
            for size, status in (999, 200), (1500, refused):
                fields, framed = FRAMINGS[framing](WAYS[way].body(size))
                client = await server.dial()
                await send_in(client, head(fields) + framed, [])
                assert (await client.answer()).status == status


async def test_the_handler_does_not_run_where_the_length_says_so() -> None:
    reading = Reading(web.Request.read, (body(1000),))
    async with serving(reading.app()) as server:
        client = (await server.dial()).send(head(b"Content-Length: 1001\r\n"))
        assert (await client.answer()).status == 413
        client.send(bytes(1001))
        client.get("/next")
        assert (await client.answer()).body == b"next"
    assert reading.outcomes == []


async def test_the_handler_does_not_run_where_too_much_has_come_already() -> None:
    reading = Reading(web.Request.read, (body(1000),))
    async with serving(reading.app()) as server:
        for framing in FRAMINGS.values():
            fields, framed = framing(bytes(1001))
            client = await server.dial()
            client.send(head(fields) + framed)
            assert (await client.answer()).status == 413
    assert reading.outcomes == []


@pytest.mark.parametrize(
    "way", [way for way in WAYS if WAYS[way].body is as_is and "nowait" not in way]
)
async def test_the_byte_too_many_comes_alone_with_the_end(way: str) -> None:
    """All before it has been read: nothing but the failure says that the body is not whole."""
    read_so_far = asyncio.Event()
    one = WAYS[way]

    async def read(request: web.Request) -> object:
        reading_on = asyncio.ensure_future(one.read(request))
        content = request.content
        await until(lambda: content.total_bytes == 600 and not content._size)
        read_so_far.set()
        return await reading_on

    reading = Reading(read, (body(600), errors()))
    async with serving(reading.app()) as server:
        client = await server.dial()
        client.send(head(b"Transfer-Encoding: chunked\r\n") + b"1\r\n\n\r\n")
        for size in (300, 299):
            await asyncio.sleep(0.01)
            client.send(b"%x\r\n%s\r\n" % (size, b"\n" * size))
        await soon(read_so_far)
        client.send(b"1\r\n\n\r\n0\r\n\r\n")
        answer = await client.answer()
        assert answer.status == 413
        await goes_on(client, answer)


async def test_no_body_may_come() -> None:
    reading = Reading(web.Request.read, (body(0),))
    async with serving(reading.app()) as server:
        for fields, sent, status in (
            (b"Content-Length: 0\r\n", b"", 200),
            (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", 200),
            (b"Content-Length: 1\r\n", b"x", 413),
            (b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n\r\n", 413),
        ):
            client = (await server.dial()).send(head(fields) + sent)
            assert (await client.answer()).status == status


async def test_a_handler_sees_the_limit_and_can_lower_it_for_itself() -> None:
    """`request.client_max_size` tells it, and a clone takes another."""
    seen: list[int] = []

    async def lower(request: web.Request) -> object:
        seen.append(request.client_max_size)
        return await request.clone(client_max_size=100).read()

    async def raised(request: web.Request) -> object:
        return await request.clone(client_max_size=10_000).read()

    for read, size, status in (lower, 500, 413), (lower, 99, 200), (raised, 3001, 413):
        reading = Reading(read, (body(3000), errors()))
        async with serving(reading.app()) as server:
            fields, framed = FRAMINGS["chunked"](bytes(size))
            client = (await server.dial()).send(head(fields) + framed)
            assert (await client.answer()).status == status
    assert set(seen) <= {3000, 3001}


async def test_an_encoding_that_aiohttp_does_not_know_is_counted_as_it_is() -> None:
    reading = Reading(web.Request.read, (body(1000),))
    async with serving(reading.app()) as server:
        for size, status in (1000, 200), (1001, 413):
            fields = b"Content-Encoding: x-own\r\nContent-Length: %d\r\n" % size
            client = (await server.dial()).send(head(fields) + bytes(size))
            assert (await client.answer()).status == status


@pytest.mark.parametrize("way", WAYS)
async def test_an_oversized_body_never_is_a_200(way: str) -> None:
    """However its segments fall, and however it is framed."""
    rng = random.Random(way)
    one = WAYS[way]
    reading = Reading(one.read, (body(1500), errors()), client_max_size=700)
    async with serving(reading.app()) as server:
        for _ in range(some(60, brief=20)):
            size = rng.choice([1499, 1500, 1501, 1502, rng.randrange(300, 6000)])
            fields, framed = FRAMINGS[rng.choice(list(FRAMINGS))](one.body(size))
            message = head(fields, one.content_type) + framed
            cuts = [rng.randrange(len(message)) for _ in range(rng.randrange(8))]
            client = await server.dial()
            await send_in(client, message, cuts)
            answer = await client.answer()
            assert answer.status == judged(size, 1500), (size, fields, cuts)
            await goes_on(client, answer)
            client.hang_up()
    assert reading.stolen == 0


async def test_not_a_byte_is_handed_out_once_the_body_has_failed() -> None:
    """What came before stays unread: no handler goes on with the beginning of what is refused."""

    async def read_late(request: web.Request) -> object:
        content = request.content
        assert isinstance(content, GuardedReader)
        await until(lambda: content.state.failure is not None)
        for _ in range(2):
            for read in content.readchunk, content.readline, content.readany, content.read:
                with pytest.raises(web.HTTPRequestEntityTooLarge):
                    await read()
            with pytest.raises(web.HTTPRequestEntityTooLarge):
                content.read_nowait()
        return await content.read(1)

    reading = Reading(read_late, (body(600),))
    async with serving(reading.app()) as server:
        client = await server.dial()
        client.send(head(b"Transfer-Encoding: chunked\r\n") + b"12c\r\n" + b"\n" * 300 + b"\r\n")
        await asyncio.sleep(0.02)
        client.send(b"12d\r\n" + bytes(301) + b"\r\n0\r\n\r\n")
        assert (await client.answer()).status == 413
