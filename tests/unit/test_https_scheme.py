"""What headers say of the scheme, for `https`: both ways, and nothing where they are malformed."""

import pytest
from multidict import CIMultiDict

from routeguard.policies.https.decision import is_malformed, reported_scheme

PROTO = "X-Forwarded-Proto"


def said(lines: list[str], expected: str = "https", name: str = PROTO) -> str | None:
    headers = CIMultiDict((name, line) for line in lines)
    return reported_scheme(headers, [(name, expected)])


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        (["https"], "https"),
        (["HTTPS"], "https"),
        ([" https\t"], "https"),
        (["wss"], "https"),
        (["WSS"], "https"),
        (["http"], "http"),
        (["ws"], "http"),
        (["http, https"], "https"),
        (["https, http"], "http"),
        (["https", "http"], "http"),
        (["http", "https"], "https"),
        (["https,"], None),
        (["https", ""], None),
        ([""], None),
        ([], None),
        (["httpſ"], None),
        (["https;"], None),
        (["proto=https"], None),
        (["javascript"], None),
        (["on"], None),
    ],
)
def test_the_last_entry_counts(lines: list[str], scheme: str | None) -> None:
    assert said(lines) == scheme
    assert said(lines, name="X-Scheme") == scheme


@pytest.mark.parametrize(
    ("expected", "line", "scheme"),
    [
        ("on", "on", "https"),
        ("on", "On", "https"),
        ("on", "off", "http"),
        ("on", "", None),
        ("1", "0", "http"),
        ("wss", "wss", "https"),
        ("wss", "https", None),
        ("wss", "ws", "http"),
    ],
)
def test_headers_of_other_values(expected: str, line: str, scheme: str | None) -> None:
    assert said([line], expected, "X-Tls") == scheme


@pytest.mark.parametrize(
    ("line", "scheme"),
    [
        ("proto=https", "https"),
        ("for=192.0.2.60; proto=wss", "https"),
        ("for=192.0.2.60:80;proto=http", "http"),
        ("for=[::1]:80;proto=ws", "http"),
        ("https", "https"),
        ("http", "http"),
        ("proto=https, for=192.0.2.60", None),
        ("proto=javascript", None),
        ('for="', None),
    ],
)
def test_forwarded(line: str, scheme: str | None) -> None:
    assert said([line], name="Forwarded") == scheme


def test_any_of_several_headers_does() -> None:
    read = [("X-Forwarded-Ssl", "on"), (PROTO, "https")]
    for headers, scheme in (
        ({"X-Forwarded-Ssl": "on"}, "https"),
        ({"X-Forwarded-Ssl": "off", PROTO: "https"}, "https"),
        ({"X-Forwarded-Ssl": "on", PROTO: "http"}, "https"),
        ({"X-Forwarded-Ssl": "off", PROTO: "http"}, "http"),
        ({"X-Forwarded-Ssl": "off"}, "http"),
        ({PROTO: "javascript"}, None),
        ({}, None),
    ):
        assert reported_scheme(CIMultiDict(headers), read) == scheme


def test_only_the_named_headers_are_read() -> None:
    headers = CIMultiDict({"Forwarded": "proto=https", "X-Scheme": "https"})
    assert reported_scheme(headers, [(PROTO, "https")]) is None
    assert reported_scheme(CIMultiDict({PROTO: "https"}), [("Forwarded", "https")]) is None


def test_a_malformed_line_is_known() -> None:
    assert is_malformed(CIMultiDict([("Forwarded", "proto=https"), ("Forwarded", 'x="')]))
    assert not is_malformed(CIMultiDict([("Forwarded", 'x="'), ("Forwarded", "proto=https")]))
    assert not is_malformed(CIMultiDict())
