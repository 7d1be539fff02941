"""Which scheme a header reports: `Forwarded` against a parser written apart, and plain values."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard import https
from tests.support.requests import a_request
from tests.unit.forwardedoracle import last_proto

FORWARDED = https({"Forwarded": "https"}, trusted="*")


def says_https(*lines: str, policy: https = FORWARDED, name: str = "Forwarded") -> bool:
    return policy.is_secure(a_request(headers=[(name, line) for line in lines]))


@pytest.mark.parametrize(
    "line",
    [
        "proto=https",
        "Proto=HTTPS",
        'proto="https"',
        'proto="ht\\tps"',
        "for=192.0.2.60;proto=https;by=203.0.113.43",
        'for="[2001:db8:cafe::17]:4711";proto=https',
        "for=_hidden, for=_SEVKISEK;proto=https",
        'for=unknown;host="a.example, b.example";proto=https',
        'for="a;proto=http, \\"";proto=https',
        "proto=http, proto=https",
        "proto=http,proto=https",
        "proto=http\t,\tproto=https",
        "ext=1;proto=https;",
        ";proto=https",
        ";;proto=https;;by=_a",
        "https",
        "HTTPS",
        "for=192.0.2.60;proto=http, https",
    ],
)
def test_the_last_element_says_https(line: str) -> None:
    assert says_https(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "proto=http",
        "proto=https, proto=http",
        "proto=https, for=192.0.2.60",
        "https, http",
        "https, proto=http",
        'for="proto=https"',
        'for="x;proto=https"',
        "xproto=https",
        "proto=https;x",
        "proto=https x",
        "proto= https",
        "proto =https",
        "proto=https:443",
        "proto='https'",
        'proto="https',
        'proto="https""',
        'proto=""https""',
        'for="a, https',
        'for=", proto=https',
        "for=[::1], proto=https",
        "proto=https\x00",
        "proto=httpſ",
        "proto=https;proto=http",
        "proto=http;proto=https",
        "proto=https\n",
    ],
)
def test_the_last_element_does_not_say_https(line: str) -> None:
    assert not says_https(line)


def test_of_several_lines_the_last_counts() -> None:
    assert says_https("proto=http", "proto=https")
    assert not says_https("proto=https", "proto=http")
    assert not says_https("proto=https", "")
    assert says_https('for="', "proto=https")
    assert not says_https("for=x", '"; proto=https')


# --- against the oracle ---------------------------------------------------------------------------

pieces = st.sampled_from(
    ["proto", "https", "http", "for", "=", ";", ",", '"', "\\", " ", "\t", "_a", "[::1]", "é", "1"]
)
near_misses = st.lists(pieces, max_size=14).map("".join)
line_text = near_misses | st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30
)


@given(st.lists(line_text, min_size=1, max_size=3))
def test_nothing_is_believed_that_the_grammar_refuses(lines: list[str]) -> None:
    if says_https(*lines):
        assert last_proto(lines) == "https"


token = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=5)
quotable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
schemes = st.sampled_from(["https", "http", "HTTPS", "hTTpS", "wss", "https2"])


def quote(text: str) -> str:
    return '"' + "".join(f"\\{one}" if one in '"\\' else one for one in text) + '"'


values = token | quotable.map(quote)
protos = schemes | schemes.map(quote)
other_names = token.filter(lambda name: name.lower() != "proto")


@st.composite
def elements(draw: st.DrawFn) -> str:
    pairs = draw(
        st.lists(st.tuples(other_names, values), max_size=3, unique_by=lambda one: one[0].lower())
    )
    if draw(st.booleans()):
        pairs.insert(
            draw(st.integers(0, len(pairs))),
            (draw(st.sampled_from(["proto", "Proto", "PROTO"])), draw(protos)),
        )
    written = [f"{name}={value}" for name, value in pairs]
    for _ in range(draw(st.integers(0, 2))):
        written.insert(draw(st.integers(0, len(written))), "")
    return ";".join(written)


blanks = st.sampled_from(["", " ", "\t", "  "])


@given(st.lists(st.tuples(blanks, elements(), blanks).map("".join), min_size=1, max_size=4))
def test_whatever_the_grammar_allows_is_understood(written: list[str]) -> None:
    lines = [",".join(written)]
    assert says_https(*lines) == (last_proto(lines) == "https")


proxy_elements = st.sampled_from(
    [
        "for=192.0.2.60;proto=http",
        "proto=http;for=192.0.2.60",
        'for="[2001:db8::17]:4711";proto=http',
        'proto=http;host="a.example:80"',
        'host="x, proto=https";proto=http',
        "for=_hidden",
        "http",
    ]
)


@given(st.lists(line_text | elements(), max_size=3), proxy_elements, st.sampled_from([",", ", "]))
def test_a_client_cannot_fool_a_proxy_that_appends(
    own: list[str], appended: str, comma: str
) -> None:
    assert not says_https(*own, appended)
    if own:
        assert not says_https(*own[:-1], f"{own[-1]}{comma}{appended}")


HOSTILE = """
from aiohttp.test_utils import make_mocked_request
from routeguard import https

policy = https({"Forwarded": "https"}, trusted="*")
for line in (
    "  ," * 1000 + "(",
    "\\t\\t" * 1900 + "(",
    "a=b " * 900,
    'a="' + "\\\\\\\\" * 1900,
    "a=b;" * 900 + "(",
    "a" * 3900 + "(",
    ";" * 3900 + "!",
    ", ;" * 1300 + "=",
):
    policy.is_secure(make_mocked_request("GET", "/", headers={"Forwarded": line}))
"""


def test_no_line_takes_long_to_refuse() -> None:
    """A pattern that backtracks without end would hold the event loop for years."""
    subprocess.run([sys.executable, "-P", "-c", HOSTILE], check=True, timeout=20)


# --- other headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "secure"),
    [
        (["https"], True),
        (["HTTPS"], True),
        ([" https\t"], True),
        (["http"], False),
        (["http, https"], True),
        (["https, http"], False),
        (["https", "http"], False),
        (["http", "https"], True),
        (["https,"], False),
        (["https", ""], False),
        ([""], False),
        (["httpſ"], False),
        (["https;"], False),
        (["proto=https"], False),
    ],
)
def test_of_a_plain_header_the_last_entry_counts(lines: list[str], secure: bool) -> None:
    policy = https(trusted="*")
    assert says_https(*lines, policy=policy, name="X-Forwarded-Proto") is secure
    assert says_https(*lines, policy=policy, name="x-forwarded-proto") is secure


def test_only_the_named_headers_are_read() -> None:
    assert not says_https("https", policy=https(trusted="*"), name="X-Scheme")
    assert not says_https("proto=https", policy=https(trusted="*"), name="Forwarded")
    assert not says_https("https", policy=FORWARDED, name="X-Forwarded-Proto")


def test_any_of_several_headers_does() -> None:
    policy = https({"X-Forwarded-Ssl": "on", "Front-End-Https": "On"}, trusted="*")
    assert says_https("on", policy=policy, name="X-Forwarded-Ssl")
    assert says_https("ON", policy=policy, name="Front-End-Https")
    assert not says_https("off", policy=policy, name="X-Forwarded-Ssl")
