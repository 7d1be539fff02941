"""Files of a form whose body fails: closed at once, not when the collector comes by."""

import os
from pathlib import Path

import pytest
from aiohttp import web

from routeguard import Policy, body, errors, shield, timeout
from tests.server.body.sending import BOUNDARY, MULTIPART, Read, Reading, head
from tests.support.serving import serving, until

OPEN = Path("/proc/self/fd")


def part(name: str, content: bytes) -> bytes:
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"'
    return field.encode() + b"\r\n\r\n" + content + b"\r\n"


LARGE = bytes(2_000_000)  # more than aiohttp keeps in memory
FORM = part("one", LARGE) + part("two", LARGE) + part("three", LARGE)


def files_open() -> int:
    found = [OPEN / name for name in os.listdir(OPEN)]
    return sum("(deleted)" in os.readlink(one) for one in found if one.is_symlink())


async def read(request: web.Request) -> object:
    return await request.post()


async def read_and_fail(request: web.Request) -> object:
    try:
        return await request.post()
    except Exception as error:
        raise ValueError("no form") from error


@pytest.mark.skipif(not OPEN.exists(), reason="Linux tells by /proc what is open")
@pytest.mark.parametrize("policies", [(), (shield,)], ids=str)
@pytest.mark.parametrize("reads", [read, read_and_fail])
async def test_a_form_that_is_too_large(policies: tuple[Policy, ...], reads: Read) -> None:
    reading = Reading(reads, (body(5_000_000), errors(), *policies))
    async with serving(reading.app()) as server:
        before = files_open()
        for _ in range(3):
            client = await server.dial()
            client.send(head(b"Transfer-Encoding: chunked\r\n", MULTIPART))
            client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(FORM), FORM))
            assert (await client.answer()).status == 413
            reading.outcomes.clear()
            assert files_open() == before


@pytest.mark.skipif(not OPEN.exists(), reason="Linux tells by /proc what is open")
@pytest.mark.parametrize(
    "policies", [(body(idle=0.1),), (body(None), timeout(2)), (body(None, total=0.1), shield)]
)
async def test_a_form_that_is_too_slow(policies: tuple[Policy, ...]) -> None:
    reading = Reading(read, policies, client_max_size=10_000_000)
    async with serving(reading.app()) as server:
        before = files_open()
        client = await server.dial()
        client.send(head(b"Content-Length: %d\r\n" % len(FORM), MULTIPART) + FORM[:-100_000])
        assert (await client.answer()).status == 408
        reading.outcomes.clear()
        await until(lambda: files_open() == before)
