"""Real clients that are still sending read the refusal, with its CORS headers."""

import asyncio
import gzip
import http.client
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO

import aiohttp
import pytest

from routeguard import body, cors, errors
from tests.server.body.sending import WAYS, Reading
from tests.support.serving import serving

ORIGIN = "https://app.example.com"
SIZE = 20_000_000
PACKED = gzip.compress(bytes(200_000_000), 1)
POLICIES = (body(1_000_000, idle=0.3), cors([ORIGIN]), errors())

Refused = tuple[int, str | None, bytes]


def pieces() -> Iterator[bytes]:
    for _ in range(SIZE // 100_000):
        yield bytes(100_000)


def by_http_client(port: int, how: str) -> Refused:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Origin": ORIGIN}
    if how == "length":
        connection.request("POST", "/", bytes(SIZE), headers)
    elif how == "chunked":
        connection.request("POST", "/", pieces(), headers, encode_chunked=True)
    elif how == "gzip":
        connection.request("POST", "/", PACKED, headers | {"Content-Encoding": "gzip"})
    else:
        headers["Content-Length"] = "1000"
        connection.request("POST", "/", None, headers)
        connection.send(b"some")
    answer = connection.getresponse()
    found = answer.status, answer.getheader("Access-Control-Allow-Origin"), answer.read()
    connection.close()
    return found


def by_curl(port: int, how: str) -> Refused:
    curl = ["curl", "-s", "-S", "-i", "--max-time", "30", "-H", f"Origin: {ORIGIN}"]
    sent = PACKED if how == "gzip" else bytes(SIZE)
    if how == "chunked":
        curl += ["-H", "Transfer-Encoding: chunked"]
    if how == "gzip":
        curl += ["-H", "Content-Encoding: gzip"]
    if how == "late":
        curl += ["-H", "Content-Length: 1000"]
        sent = b"some"
    curl += ["-H", "Expect:", "--data-binary", "@-", f"http://127.0.0.1:{port}/"]
    done = subprocess.run(curl, input=sent, capture_output=True, check=False, timeout=60)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0], done.stderr
    fields = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines[1:])}
    return int(lines[0].split(" ")[1]), fields.get("access-control-allow-origin"), content


def by_curl_with_expect(port: int, how: str) -> Refused:
    curl = ["curl", "-s", "-S", "-i", "--max-time", "30", "-H", f"Origin: {ORIGIN}"]
    curl += ["-H", "Expect: 100-continue", "--data-binary", "@-", f"http://127.0.0.1:{port}/"]
    done = subprocess.run(curl, input=bytes(SIZE), capture_output=True, check=False, timeout=60)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    assert b"100 Continue" not in head
    return int(head.split(b" ")[1]), ORIGIN if ORIGIN.encode() in head else None, content


CLIENTS: list[tuple[Callable[[int, str], Refused], str]] = [
    *((by_http_client, how) for how in ("length", "chunked", "gzip", "late")),
    *((by_curl, how) for how in ("length", "chunked", "gzip", "late")),
    (by_curl_with_expect, "length"),
]


@pytest.mark.parametrize(("client", "how"), CLIENTS)
async def test_the_refusal_is_read(client: Callable[[int, str], Refused], how: str) -> None:
    if client is not by_http_client and shutil.which("curl") is None:
        pytest.skip("there is no curl")
    reading = Reading(WAYS["read"].read, POLICIES)
    async with serving(reading.app(), shutdown_timeout=0.1) as server:
        for _ in range(3):
            status, origin, content = await asyncio.to_thread(client, server.port, how)
            assert (status, origin) == (408 if how == "late" else 413, ORIGIN)
            assert "detail" in json.loads(content)


@pytest.mark.parametrize("how", ["length", "chunked", "gzip"])
async def test_aiohttps_client_reads_the_refusal(how: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(SIZE // 100_000):
            yield bytes(100_000)

    reading = Reading(WAYS["read"].read, POLICIES)
    headers = {"Origin": ORIGIN}
    if how == "gzip":
        headers["Content-Encoding"] = "gzip"
    async with (
        serving(reading.app(), shutdown_timeout=0.1) as server,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(3):
            data = {"length": BytesIO(bytes(SIZE)), "chunked": chunks(), "gzip": BytesIO(PACKED)}[
                how
            ]
            async with session.post(
                f"http://127.0.0.1:{server.port}/", data=data, headers=headers
            ) as answer:
                assert answer.status == 413
                assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
                assert "detail" in await answer.json()
