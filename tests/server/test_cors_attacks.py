"""Attacks that succeed against prefix matching, suffix matching, regexes and reflection.

They are sent as bytes, for a client library would send many of them in another spelling or not at
all. None may be granted anything; the policies under attack allow credentials.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpServer

from routeguard import cors, setup
from tests.server.test_cors_decisions import ok


@dataclass(frozen=True)
class Answer:
    """What came back: one response, and the end of the connection."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def granted(self) -> list[tuple[bytes, bytes]]:
        return [field for field in self.fields if field[0].startswith(b"access-control-")]


def ends_well(origin: str) -> bool:
    return origin.startswith("https://") and origin.endswith(".example.com")


POLICIES = {
    "exact": cors(["https://app.example.com", "http://localhost:8080"], allow_credentials=True),
    "subdomains": cors("https://*.example.com", allow_credentials=True),
    "port": cors(["http://localhost:*", "https://app.example.com:*"], allow_credentials=True),
    "both": cors(["https://*.example.com:*", "http://*.localhost:*"], allow_credentials=True),
    "regex": cors(re.compile(r"https://(\w+\.)+example\.com(:\d+)?"), allow_credentials=True),
    "sloppy": cors(re.compile(r"https://.*\.example\.com"), allow_credentials=True),
    "predicate": cors(ends_well, allow_credentials=True),
}


def target() -> web.Application:
    """An application that has each of the policies on a path of its name."""
    app = web.Application()
    for name, policy in POLICIES.items():
        app.router.add_route("*", f"/{name}", policy(ok))
    setup(app)
    return app


@pytest_asyncio.fixture
async def server(aiohttp_server: AiohttpServer) -> TestServer:
    return await aiohttp_server(target())


async def send(server: TestServer, method: bytes, path: str, *fields: bytes) -> Answer:
    """Sends one request as bytes, on a connection of its own."""
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"Host: api.example", *fields]
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        async with asyncio.timeout(60):
            received = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    status, *rest = head.split(b"\r\n")
    pairs = [line.partition(b":") for line in rest]
    return Answer(
        int(status.split(b" ")[1]),
        [(name.strip().lower(), value.strip()) for name, _, value in pairs],
        body,
    )


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Errors in the log, but for those by which aiohttp tells of a 400 that its parser gives."""
    return [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR
        and not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
    ]


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test during which the server, or a policy, has logged an error."""
    yield
    assert failures(caplog) == []


GOOD, BAD = b"Origin: https://app.example.com", b"Origin: https://evil.org"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "fields",
    [
        [GOOD, BAD],
        [BAD, GOOD],
        [GOOD, GOOD],
        [GOOD, b"Origin:"],
        [b"Origin:", GOOD],
        [GOOD, b"Origin: null"],
        [GOOD, b"oRiGiN: https://app.example.com"],
        [GOOD] * 50,
        [b"X-Origin: https://app.example.com"],
        [b"Referer: https://app.example.com/", BAD],
        [b"X-Forwarded-Host: evil.org", b"X-Forwarded-Proto: https", BAD],
        [b"Sec-Fetch-Site: same-origin", BAD],
    ],
)
async def test_several_origins_or_other_headers_are_no_origin(
    server: TestServer, policy: str, fields: list[bytes]
) -> None:
    answer = await send(server, b"GET", f"/{policy}", *fields)
    assert (answer.status, answer.granted) == (200, [])
    # Without any Origin an OPTIONS request is no preflight; here it falls to the `*` route.
    asking = b"Access-Control-Request-Method: PUT"
    preflight = await send(server, b"OPTIONS", f"/{policy}", *fields, asking)
    assert preflight.granted == []


@pytest.mark.parametrize(
    "field",
    [
        b"Origin: https://app.example.com\x00",
        b"Origin: https://app.example.com\x0b",
        b"Origin: https://app.example.com\x1b[2J",
        b"Origin: https://app.example.com\x7f",
        b"Origin: https://app.example.com\rX-Evil: 1",
        b"Origin: https://evil.org\r\n https://app.example.com",
        b"Origin : https://app.example.com",
        b" Origin: https://app.example.com",
        b"Origin\x00: https://app.example.com",
        b"Or\xc4\xb1gin: https://app.example.com",
        b"Origin: https://" + b"a" * 10_000,
        b"Origin: https://app.example.com" + b" " * 10_000 + b".evil.org",
    ],
    ids=lambda field: ascii(field[:40]),
)
async def test_what_is_no_header_at_all_is_granted_nothing(
    server: TestServer, field: bytes
) -> None:
    for fields in ([field], [field, GOOD], [GOOD, field]):
        answer = await send(server, b"GET", "/exact", *fields)
        assert answer.granted == [] or (answer.status == 200 and fields[0] == GOOD)
        assert not any(value.count(b"evil") for _, value in answer.fields)


# --- preflights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        [b"Access-Control-Request-Method: *"],
        [b"Access-Control-Request-Method: PUT, DELETE"],
        [b"Access-Control-Request-Method: PUT\tDELETE"],
        [b"Access-Control-Request-Method: P\xffT"],
        [b"Access-Control-Request-Method: \xe2\x84\xaa"],
        [b"Access-Control-Request-Method: " + b"(" * 7_000],
        [b"Access-Control-Request-Method: PUT", b"Access-Control-Request-Method: GET"],
    ]
    + [
        [b"Access-Control-Request-Method: PUT", b"Access-Control-Request-Headers: " + names]
        for names in (
            b"*",
            b"x-secret",
            b"accept, x-secret",
            b"accept x-secret",
            b"accept;x-secret",
            b"accept\x85x-secret",
            "accept\u2028".encode(),
            "accept\u00a0".encode(),
            "x-csrfto\u212aen".encode(),
            b"authorization:",
            b"author\xc4\xb1zation",
            b"\xff\xfe",
            b"accept,\xed\xa0\x80",
            b'"accept"',
        )
    ],
)
async def test_no_attack_on_method_or_header_names_is_granted(
    server: TestServer, fields: list[bytes]
) -> None:
    answer = await send(server, b"OPTIONS", "/exact", GOOD, *fields)
    assert answer.granted == []
    assert answer.status in {400, 403}


@pytest.mark.parametrize("target", ["*", "/../exact", "/%2e%2e/exact", "//exact", "/exact/", "/"])
async def test_odd_targets_of_preflights_are_granted_nothing(
    server: TestServer, target: str
) -> None:
    answer = await send(server, b"OPTIONS", target, GOOD, b"Access-Control-Request-Method: PUT")
    assert answer.status in {400, 404}
    assert answer.granted == []
