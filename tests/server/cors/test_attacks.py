"""Attacks that succeed against prefix matching, suffix matching, regexes and reflection.

They are sent as bytes, for a client library would send many of them in another spelling or not at
all. None may be granted anything; the policies under attack allow credentials.
"""

from collections.abc import Iterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpServer

from tests.server.cors.attacking import POLICIES, failures, send, target


@pytest_asyncio.fixture
async def server(aiohttp_server: AiohttpServer) -> TestServer:
    return await aiohttp_server(target())


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
