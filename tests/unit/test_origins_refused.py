"""Origins that are refused when they are written: each with its text, and what to write instead."""

import re

import pytest
from yarl import URL

from routeguard import ConfigError, cors
from tests.unit.admitting import admits


def refusal(origins: object) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        cors(origins)  # type: ignore[arg-type]
    return refused.value


REFUSED = [
    # Trailing slash, path, query, fragment, user name: not part of an origin.
    ("https://example.com/", "a path", "https://example.com"),
    ("https://example.com/api", "a path", "https://example.com"),
    ("https://example.com/*", "a path", "https://example.com"),
    ("https://example.com?x=1", "a query", "https://example.com"),
    ("https://example.com#top", "a fragment", "https://example.com"),
    ("https://me@example.com", "a user name", "https://example.com"),
    ("https://me:secret@example.com", "a user name", "https://example.com"),
    ("https://app.example.com@evil.example", "a user name", "https://evil.example"),
    # A browser leaves the default port out.
    ("https://example.com:443", "default port", "https://example.com"),
    ("http://example.com:80", "default port", "http://example.com"),
    ("HTTP://EXAMPLE.com:80", "default port", "http://example.com"),
    ("https://*.example.com:443", "default port", "https://*.example.com"),
    ("ws://example.com:80", "default port", "ws://example.com"),
    ("http://[::1]:80", "default port", "http://[::1]"),
    # No scheme.
    ("example.com", "no scheme", "https://example.com"),
    ("//example.com", "no scheme", "https://example.com"),
    ("*.example.com", "no scheme", "https://*.example.com"),
    ("localhost:*", "no scheme", "https://localhost:*"),
    ("example.com:8443", "no scheme", "https://example.com:8443"),
    ("example.com/", "no scheme", "https://example.com"),
    ("https:/example.com", "`https:/example.com`", "https://example.com"),
    ("https:example.com", "`https:example.com`", "https://example.com"),
    ("1https://example.com", "`1https` is no scheme", "https://example.com"),
    # Not as browsers write it.
    ("https://bücher.example", "not ASCII", "https://xn--bcher-kva.example"),
    ("https://*.bücher.example", "not ASCII", "https://*.xn--bcher-kva.example"),
    ("https://bücher.example:8443", "not ASCII", "https://xn--bcher-kva.example:8443"),
    ("https://bücher.example:*", "not ASCII", "https://xn--bcher-kva.example:*"),
    ("bücher.example", "not ASCII", "https://xn--bcher-kva.example"),
    ("http://127.0.0.1.", "the dot", "http://127.0.0.1"),
    ("http://127.0.0.1.:8080", "the dot", "http://127.0.0.1"),
    # IPv6 has one spelling, which is the browser's (URL standard, IPv6 serializer).
    ("http://[0:0:0:0:0:0:0:1]", "browsers write", "http://[::1]"),
    ("http://[::0001]:8080", "browsers write", "http://[::1]"),
    ("http://[2001:DB8:0:0:1:0:0:1]", "browsers write", "http://[2001:db8::1:0:0:1]"),
    ("http://[2001:db8::0:1]", "browsers write", "http://[2001:db8::1]"),
    ("http://[::ffff:127.0.0.1]", "browsers write", "http://[::ffff:7f00:1]"),
    # Wildcards stand for whole labels at the left, or for the port.
    ("https://*example.com", "whole labels", "https://*.example.com"),
    ("https://app*.example.com", "whole labels", "https://*.example.com"),
    ("https://app.*.example.com", "whole labels", "https://*.example.com"),
    ("https://*.*.example.com", "whole labels", "https://*.example.com"),
    ("https://example.*", "whole labels", "https://*.example.com"),
    ("http://*.127.0.0.1", "no subdomains", "http://127.0.0.1"),
    ("http://*.127.0.0.1.", "no subdomains", "http://127.0.0.1"),
    # White space, an empty text.
    ("", "empty", "https://example.com"),
    (" https://example.com", "white space", "https://example.com"),
    ("https://example.com\n", "white space", "https://example.com"),
    ("https://exam ple.com", "white space", "https://example.com"),
]


@pytest.mark.parametrize(("given", "fault", "remedy"), REFUSED)
def test_a_refusal_names_the_text_the_fault_and_a_remedy_that_is_accepted(
    given: str, fault: str, remedy: str
) -> None:
    error = refusal(given)
    assert len(error.faults) == 1
    said = error.faults[0]
    assert given in said
    assert fault in said
    written = re.findall("`([^`]*)`", said)[-1]
    assert written == remedy
    cors(written)


NO_ORIGIN = [
    ("file:///index.html", "`null`"),
    ("FILE:///index.html", "`null`"),
    ("https://*", "'*'"),
    ("https://*:8443", "'*'"),
    ("*:8443", "`https://"),
    ("https://", "no host name"),
    ("https://:8443", "no host name"),
    ("https:///example.com", "no host name"),
    ("https://.example.com", "no host name"),
    ("https://example..com", "no host name"),
    ("https://example.com..", "no host name"),
    ("https://.", "no host name"),
    ("https://*.", "no host name"),
    ("https://exam%70le.com", "no host name"),
    ("https://exa\\mple.com", "no host name"),
    ("https://exa`mple.com", "no host name"),
    (f"https://{'a' * 64}.example", "no host name"),
    # Longer than any name in DNS, and than any origin that is admitted (RFC 1035, section 2.3.4).
    (f"https://{'a.' * 50}{'b.' * 100}example", "no host name"),
    ("https://example.com:0", "no port"),
    ("https://example.com:08443", "no port"),
    ("https://example.com:65536", "no port"),
    ("https://example.com:999999999999", "no port"),
    ("https://example.com:https", "no port"),
    ("https://example.com:80*", "no port"),
    ("https://example.com:-1", "no port"),
    ("https://example.com:", "no port"),
    ("http://::1", "[::1]"),
    ("http://[::1", "[::1]"),
    ("http://[]", "no IPv6 address"),
    ("http://[::1::]", "no IPv6 address"),
    ("http://[12345::]", "no IPv6 address"),
    ("http://[::1]evil.example", "[::1]"),
    ("http://*.[::1]", "[::1]"),
    # A link-local zone is no part of a URL's host (URL standard, IPv6 parser).
    ("http://[fe80::1%25eth0]", "no IPv6 address"),
    # A host whose last label is a number is an IPv4 address or nothing.
    ("http://127.1", "no IPv4 address"),
    ("http://2130706433", "no IPv4 address"),
    ("http://0x7f.0.0.1", "no IPv4 address"),
    ("http://127.0.0.0x1", "no IPv4 address"),
    ("http://0177.0.0.1", "no IPv4 address"),
    ("http://256.0.0.1", "no IPv4 address"),
    ("http://1.2.3.4.5", "no IPv4 address"),
    ("http://example.42", "no IPv4 address"),
    ("http://127.1.", "the dot"),
]


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("moz-extension://*", "moz-extension://7c7e2b9a-0d3f-4a44-8d2c-0c0f7a3f4f10"),
        ("moz-extension://*:*", "moz-extension://7c7e2b9a-0d3f-4a44-8d2c-0c0f7a3f4f10"),
        ("chrome-extension://*", "chrome-extension://mfcpnhbaplhppnfphcppeplmdgohkbgb"),
        ("safari-web-extension://*", "safari-web-extension://f3d1c2b4-19a4-4b3e-9f5d-2f3d3f0a7b11"),
        ("Web+Ext.ension://*", "web+ext.ension://abc"),
    ],
)
def test_any_identifier_of_an_extension_is_a_regex(given: str, origin: str) -> None:
    """Firefox and Safari give an extension another identifier in each installation."""
    (fault,) = refusal(given).faults
    written = re.findall(r"re\.compile\('([^']*)'\)", fault)
    assert given in fault and len(written) == 1
    admitted = admits(re.compile(written[0]))
    assert admitted(origin)
    assert not admitted(origin.replace("://", "x://")) and not admitted("https://evil.example")
    assert not admitted(origin.replace("+", "b")) or "+" not in origin
    assert not admitted(origin.replace(".", "b")) or "." not in origin


@pytest.mark.parametrize(("given", "remedy"), NO_ORIGIN)
def test_what_is_no_origin_is_refused_with_its_text_and_a_hint(given: str, remedy: str) -> None:
    said = str(refusal(given))
    assert given[:90] in said
    assert remedy in said


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ((), "list origins"),
        ([], "list origins"),
        (frozenset(), "list origins"),
        (None, "'https://example.com'"),
        (5, "'https://example.com'"),
        ([None], "'https://example.com'"),
        ([["https://example.com"]], "'https://example.com'"),
        ([lambda origin: True], "stands alone"),
        (["https://example.com", bool], "stands alone"),
        (re.compile(b"https://example.com"), "leave out the b"),
        (b"https://example.com", "b'https://example.com'"),
        ("NULL", "null"),
    ],
)
def test_what_is_no_collection_of_origins_is_refused_with_one_fault(
    given: object, hint: str
) -> None:
    error = refusal(given)
    assert len(error.faults) == 1
    assert error.faults[0].startswith("origins")
    assert hint in error.faults[0]


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (URL("https://example.com/api"), "https://example.com"),
        (URL("https://example.com?x=1"), "https://example.com"),
        (URL("https://example.com/#top"), "https://example.com"),
        (URL("https://me@example.com"), "https://example.com"),
        (URL("https://me:secret@example.com"), "https://example.com"),
        (URL("https://:secret@example.com"), "https://example.com"),
        (URL("http://[::1]:8080/x"), "http://[::1]:8080"),
        (URL("https://bücher.example/x"), "https://xn--bcher-kva.example"),
        (URL("/api"), "https://example.com"),
        (URL("example.com"), "https://example.com"),
        (URL("file:///index.html"), "https://example.com"),
        (URL(), "https://example.com"),
    ],
)
def test_a_url_that_is_no_origin_is_refused_with_a_remedy(given: URL, remedy: str) -> None:
    error = refusal(given)
    assert len(error.faults) == 1
    assert str(given) in error.faults[0]
    assert remedy in error.faults[0]


def test_every_fault_of_every_origin_is_reported_at_once() -> None:
    error = refusal(
        ["https://a.example/", "https://ok.example", "http://b.example:80", "c.example", 7]
    )
    assert len(error.faults) == 4
    for text in ("https://a.example/", "http://b.example:80", "c.example", "7"):
        assert text in str(error)
    assert "ok.example" not in str(error)


def test_two_faults_of_one_origin_are_both_reported() -> None:
    faults = refusal("https://example.com:443/").faults
    assert len(faults) == 2
    assert any("a path" in fault for fault in faults)
    assert any("default port" in fault for fault in faults)


@pytest.mark.parametrize("between", [",", ", ", " "])
def test_several_origins_in_one_text_are_to_be_written_as_a_list(between: str) -> None:
    error = refusal(between.join(["https://a.example", "https://b.example"]))
    assert len(error.faults) == 1
    assert "['https://a.example', 'https://b.example']" in error.faults[0]


def test_a_very_long_text_is_not_repeated_whole() -> None:
    assert len(str(refusal("https://" + "a" * 10_000))) < 2_000
