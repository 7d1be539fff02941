"""Hosts and ports: what is one, in which form, and which one a request is for."""

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from routeguard.network.authorities import read_authority, target_authority
from tests.support.requests import a_request


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a.example", "a.example"),
        ("A.Example:8443", "a.example:8443"),
        ("a.example:80", "a.example:80"),
        ("a.example:0080", "a.example:80"),
        ("a.example.", "a.example."),
        ("localhost", "localhost"),
        ("my_service:80", "my_service:80"),
        ("-a-.example", "-a-.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]", "[::1]"),
        ("[0:0::1]:8080", "[::1]:8080"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[::ffff:192.0.2.60]", "[::ffff:c000:23c]"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_what_is_a_host(text: str, written: str) -> None:
    assert str(read_authority(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ".a.example",
        "a..example",
        "a.example..",
        "a.example:",
        "a.example:0",
        "a.example:65536",
        "a.example:99999",
        "a.example:123456",
        "a.example:http",
        "a.example:80:80",
        ":80",
        "a b",
        " a.example",
        "a.example\n",
        "a.example, b.example",
        "a.example/b",
        "a.example?x",
        "a.example#x",
        "a.example\\b",
        "user@a.example",
        "http://a.example",
        "%61.example",
        "*.example",
        "b\xfccher.example",
        "\u212aa.example",  # the Kelvin sign, a k in lower case
        "1.2.3",
        "1.2.3.4.5",
        "256.0.0.1",
        "a.0x7f",
        "a.1",
        "::1",
        "[::1",
        "[::1]x",
        "[::1%eth0]",
        "[127.0.0.1]",
        "[v1.x]",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "a" * 10_000,
    ],
)
def test_what_is_no_host(text: str) -> None:
    assert read_authority(text) is None


hostlike = st.text("ab.-_:0189[]%@/\\ é*x", max_size=15)


@given(hostlike | st.text(max_size=10))
def test_what_is_read_makes_a_url_that_leads_there(text: str) -> None:
    found = read_authority(text)
    if found is not None:
        url = URL(f"https://{found}/x")
        assert url.host is not None and url.raw_path == "/x"
        assert not url.user and not url.query_string and url.explicit_port == found.port
        assert read_authority(str(found)) == found


def asking(*hosts: str) -> web.Request:
    return a_request(headers=[("Host", host) for host in hosts])


def test_a_requests_host() -> None:
    assert str(target_authority(asking("A.example:8080"))) == "a.example:8080"
    assert target_authority(asking()) is None
    assert target_authority(asking("a.example", "a.example")) is None
    assert target_authority(asking("a.example, b.example")) is None
    assert target_authority(asking("")) is None
