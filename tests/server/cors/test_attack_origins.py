"""A table of origins that get past prefix matching, suffix matching, regexes and reflection.

None may be granted anything, by policies that allow credentials.
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


FOR_ALL = [
    # Suffixes and prefixes.
    b"https://app.example.com.evil.org",
    b"https://app.example.comevil.org",
    b"https://app.example.com-evil.org",
    b"https://evilexample.com",
    b"https://example.com.evil.org",
    b"https://evil.org/app.example.com",
    b"https://evil.org/https://app.example.com",
    b"https://evil.org?app.example.com",
    b"https://evil.org#app.example.com",
    b"https://evil.org#.example.com",
    b"https://evil.org\\.example.com",
    b"https://evil.org%2f.example.com",
    b"https://evil.org%00.example.com",
    b"https://evil.org;.example.com",
    b"https://evil.org,.example.com",
    b"http://localhost.evil.org",
    b"http://localhost.evil.org:8080",
    b"http://localhostevil.org",
    b"http://evil-localhost",
    b"http://localhost:8080.evil.org",
    b"http://localhost@evil.org",
    # Dots that are not escaped.
    b"https://appxexample.com",
    b"https://app.examplexcom",
    b"https://app-example-com",
    # Characters that some browsers allow in host names.
    *(
        b"https://app.example.com" + bytes([char]) + b".evil.org"
        for char in b"_-~!$&'()*+,;=`{}|^\""
    ),
    # User information.
    b"https://app.example.com@evil.org",
    b"https://app.example.com:pw@evil.org",
    b"https://me@app.example.com",
    b"https://@app.example.com",
    b"https://evil.org@app.example.com",
    # Ports.
    b"https://app.example.com:evil",
    b"https://app.example.com:",
    b"https://app.example.com:443",
    b"https://app.example.com:0443",
    b"https://app.example.com:0",
    b"https://app.example.com:-1",
    b"https://app.example.com:+8443",
    b"https://app.example.com:65536",
    b"https://app.example.com:8443:8443",
    b"https://app.example.com:84 43",
    b"https://app.example.com:8443@evil.org",
    b"https://app.example.com:\xd9\xa8\xd9\xa8",
    b"http://localhost:80",
    # Schemes.
    b"http://app.example.com:443",
    b"https:app.example.com",
    b"https:/app.example.com",
    b"https:///app.example.com",
    b"https:\\\\app.example.com",
    b"//app.example.com",
    b"app.example.com",
    b"file://app.example.com",
    b"blob:https://app.example.com",
    b"javascript://app.example.com",
    b"data:https://app.example.com",
    b"view-source:https://app.example.com",
    b"https+evil://app.example.com",
    b"xhttps://app.example.com",
    # What is no serialised origin.
    b"https://app.example.com/",
    b"https://app.example.com.",
    b"https://app.example.com..",
    b"https://.app.example.com",
    b"https://app..example.com",
    b"https://*.example.com",
    b"https://app.example.com%00",
    b"https://app%2eexample.com",
    b"https://%61pp.example.com",
    b"<https://app.example.com>",
    b'"https://app.example.com"',
    b"'https://app.example.com'",
    b"https://app.example.com, https://evil.org",
    b"https://evil.org, https://app.example.com",
    b"https://evil.org https://app.example.com",
    b"https://app.example.com https://evil.org",
    b"https://app.example.com\thttps://evil.org",
    b"https://app.example.com\t.evil.org",
    b"https://app\t.example.com",
    b"https://\tapp.example.com",
    b"https ://app.example.com",
    # Characters that case-fold or normalise to ASCII, invalid UTF-8, invisible ones.
    "https://app.example.co\u217f".encode(),
    "http\u017f://app.example.com".encode(),
    "https://app.example\uff0ecom".encode(),
    "https://app\u3002example.com".encode(),
    "http://\u212aocalhost".encode(),
    "http://local\u02b0ost:8080".encode(),
    "https://\u0430pp.example.com".encode(),
    "https://app.example.com\u200b".encode(),
    "\ufeffhttps://app.example.com".encode(),
    b"https://app.example.com\xff",
    b"\xa0https://app.example.com",
    b"https://app.example.com\x85",
    b"https://app.example.com\xc0\xae",
    b"https://app.ex\xedample.com",
    # null, and other words.
    b"null",
    b"NULL",
    b"Null",
    b"null, https://app.example.com",
    b"https://null",
    b"*",
    b"undefined",
    b"none",
    b"",
    b"://",
    b"https://",
    b"https://.",
    b"https://:8443",
    # Too long, in more than one way.
    b"https://" + b"a" * 64 + b".example.com",
    b"https://" + b"a." * 200 + b"example.com",
    b"https://" + b"a." * 3_500 + b"example.com",
    b"https://app.example.com" + b"." * 7_000,
    b"https://app.example.com:" + b"8" * 7_000,
]

# What is no origin of its own, but may well be one of another policy's.
ELSEWHERE = {
    "exact": [
        b"https://example.com",
        b"https://x.app.example.com",
        b"https://-app.example.com",
        b"https://app-.example.com",
        b"http://app.example.com",
        b"https://app.example.com:8443",
        b"http://localhost",
        b"http://localhost:80800",
        b"http://localhost:808",
        b"https://localhost:8080",
    ],
    "subdomains": [
        b"https://example.com",
        b"https://-example.com",
        b"https://app-example.com",
        b"http://app.example.com",
        b"https://app.example.com:8443",
        b"https://example.com:8443",
    ],
    "port": [b"https://example.com:8443", b"https://x.app.example.com:1", b"https://localhost:1"],
    "both": [b"https://example.com", b"https://example.com:8443", b"http://localhost:8080"],
    "regex": [b"https://example.com", b"https://app.example.com:1:1", b"http://app.example.com"],
    "sloppy": [b"https://example.com", b"https://evilexample.com", b"http://app.example.com"],
    "predicate": [b"https://example.com", b"https://app.example.com:8443"],
}


@pytest.mark.parametrize("policy", POLICIES)
async def test_no_attack_on_the_origin_gets_a_header(server: TestServer, policy: str) -> None:
    for origin in [*FOR_ALL, *ELSEWHERE[policy]]:
        answer = await send(server, b"GET", f"/{policy}", b"Origin: " + origin)
        assert answer.status == 200, origin
        assert answer.granted == [], origin
        preflight = await send(
            server,
            b"OPTIONS",
            f"/{policy}",
            b"Origin: " + origin,
            b"Access-Control-Request-Method: PUT",
        )
        assert preflight.status == 403, origin
        assert preflight.granted == [], origin
        assert preflight.body == b"", origin


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_policies_under_attack_do_allow_somebody(server: TestServer, policy: str) -> None:
    origin = b"http://x.localhost:1" if policy == "both" else b"https://app.example.com"
    for spelling in (b"Origin: " + origin, b"ORIGIN:\t " + origin, b"origin:" + origin):
        answer = await send(server, b"GET", f"/{policy}", spelling)
        assert (b"access-control-allow-origin", origin) in answer.granted


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_allowed_origin_in_upper_case_is_the_same_origin(
    server: TestServer, policy: str
) -> None:
    if policy != "both":
        answer = await send(server, b"GET", f"/{policy}", b"Origin: HTTPS://APP.EXAMPLE.COM")
        assert (b"access-control-allow-origin", b"https://app.example.com") in answer.granted
