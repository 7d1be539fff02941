"""A few bytes that unpack to very many: memory, and for how long nobody else is served.

Beside aiohttp alone, which refuses them too, but unpacks first.
"""

import asyncio
import functools
import gzip
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from aiohttp import web

from routeguard import Policy, body, errors, shield
from routeguard.internals.tap import UNPACKS_ALL_AT_ONCE
from tests.server.body.sending import WAYS, Reading, head, in_chunks
from tests.support.extent import some
from tests.support.serving import serving


def zeros(millions: int) -> bytes:
    """So many million zeros as gzip packs them; packed once, since each million is alike."""
    packer, million, crc = zlib.compressobj(9, wbits=-zlib.MAX_WBITS), bytes(1_000_000), 0
    block = packer.compress(million) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(millions):
        crc = zlib.crc32(million, crc)
    begin, end = b"\x1f\x8b\x08" + bytes(6) + b"\xff", packer.flush()
    return begin + block * millions + end + struct.pack("<II", crc, millions * 1_000_000)


@functools.cache
def packed(body_of: Callable[[int], bytes], size: int) -> bytes:
    """A body of that size, packed: the same for every way that sends the like."""
    return gzip.compress(body_of(size), 1)


SIZE = some(300_000_000, brief=100_000_000)
BOMB = zeros(SIZE // 1_000_000)
FRAMINGS = {
    "length": (b"Content-Length: %d\r\n" % len(BOMB), BOMB),
    "chunked": (b"Transfer-Encoding: chunked\r\n", in_chunks(BOMB, 30_000)),
}
ENCODED = b"Content-Encoding: gzip\r\n"


@dataclass
class Cost:
    """What a bomb cost.

    Attributes:
        status: the answer's.
        peak: bytes of memory, at most.
        stall: seconds for which the event loop did nothing else, at most.
    """

    status: int
    peak: int
    stall: float


async def cost_of(app: web.Application, framing: str, *, apart: bool) -> Cost:
    """Sends a bomb; apart from its headers, or right behind them."""
    fields, sent = FRAMINGS[framing]
    over, longest = asyncio.Event(), 0.0

    async def look() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not over.is_set():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    async with serving(app, shutdown_timeout=0.1) as server:
        client = await server.dial()
        looking = asyncio.ensure_future(look())
        tracemalloc.start()
        try:
            client.send(head(ENCODED + fields))
            if apart:
                await asyncio.sleep(0.02)
            client.send(sent)
            answer = await client.answer()
            with suppress(
                TimeoutError, ConnectionResetError
            ):  # what comes after the answer is unpacked no more
                await asyncio.wait_for(client.reader.read(), 0.5)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        over.set()
        await looking
    return Cost(answer.status, peak, longest)


def alone() -> web.Application:
    async def read(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application(client_max_size=1_000_000)
    app.router.add_post("/", read)
    return app


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_bomb_is_unpacked_no_further_than_the_limit(
    framing: str, caplog: pytest.LogCaptureFixture
) -> None:
    control = await cost_of(alone(), framing, apart=True)
    caplog.clear()
    costs = [
        await cost_of(Reading(WAYS["read"].read, (body(1_000_000),)).app(), framing, apart=True)
        for _ in range(3)
    ]
    assert {one.status for one in costs} == {413}
    assert max(one.peak for one in costs) < 16_000_000
    assert min(one.stall for one in costs) < max(0.1, control.stall / 2)
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []
    print(f"\nalone: {control}; guarded: {costs}")


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_what_comes_with_the_headers_is_unpacked_before_anybody_is_asked(
    framing: str,
) -> None:
    """By aiohttp before 3.14: no more of it than comes at once, and no more than without us."""
    guarded = await cost_of(
        Reading(WAYS["read"].read, (body(1_000_000),)).app(), framing, apart=False
    )
    assert guarded.status == 413
    if not UNPACKS_ALL_AT_ONCE:
        assert guarded.peak < 16_000_000
        return
    control = await cost_of(alone(), framing, apart=False)
    assert guarded.peak < 1.1 * control.peak


LARGE = some(100_000_000, brief=30_000_000)
"""A limit that aiohttp 3.14 does not bound its unpacking by."""


# Who waits for the end of a body without reading it has the server stop to take more.
@pytest.mark.parametrize("way", [way for way in WAYS if way != "content.read_nowait"])
@pytest.mark.parametrize("policies", [(), (shield, errors())], ids=str)
async def test_however_it_is_read(way: str, policies: tuple[Policy, ...]) -> None:
    """`content.read()` and large limits have aiohttp 3.14 unpack without any bound."""
    one = WAYS[way]
    for limit in (1_000_000, LARGE) if way in ("read", "content.read()") else (1_000_000,):
        reading = Reading(one.read, (body(limit), *policies))
        bomb = packed(one.body, max(30_000_000, 4 * limit if limit == LARGE else 0))
        app = reading.app()
        async with serving(app, shutdown_timeout=0.1) as server:
            client = await server.dial()
            tracemalloc.start()
            try:
                fields = ENCODED + b"Content-Length: %d\r\n" % len(bomb)
                client.send(head(fields, one.content_type))
                await asyncio.sleep(0.02)
                client.send(bomb)
                assert (await client.answer()).status == 413
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 16_000_000 + 2.5 * limit


async def test_a_bomb_that_nobody_reads_is_not_unpacked_either() -> None:
    async def unread(request: web.Request) -> object:
        return None

    cost = await cost_of(Reading(unread, (body(1_000_000),)).app(), "length", apart=True)
    assert cost.status == 200
    assert cost.peak < 16_000_000


async def test_what_is_packed_well_and_within_the_limit_is_read() -> None:
    """aiohttp 3.13 takes 32 MB out of one segment for an attack, whatever the limit."""
    reading = Reading(WAYS["read"].read, (body(400_000_000),))
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        client = await server.dial()
        client.send(head(ENCODED + b"Content-Length: %d\r\n" % len(BOMB)))
        await asyncio.sleep(0.02)
        client.send(BOMB)
        assert (await client.answer()).status == 200
    assert reading.outcomes == [bytes(SIZE)]
