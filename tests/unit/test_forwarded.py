"""What `Forwarded` and list headers say: the first against a parser written apart."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard.network.forwarded import (
    LONGEST_LINE,
    MOST_ENTRIES,
    Element,
    count_entries,
    entries_from_right,
    entry_from_right,
    read_elements,
    read_scheme,
)
from tests.unit.forwardedoracle import all_elements, last_proto


def says_https(*lines: str) -> bool:
    elements = read_elements(lines[-1])
    return elements is not None and read_scheme(elements[-1].proto) == "https"


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
        # White space around separators, as fabio writes it.
        "for=192.0.2.60; proto=https; by=198.51.100.7; httpproto=http/1.1; tlsver=tls12",
        "for=192.0.2.60 ;\tproto=https ;",
        "; proto=https",
        # Without quotes, as templates of HAProxy leave them out.
        "for=192.0.2.60:4711;proto=https",
        "for=[2001:db8::17]:4711;proto=https",
        "for=2001:db8::17;proto=https",
        "proto=https;host=a.example:8443",
        'for="[2001:db8::17]";host=a.example:8443;proto=https',
        "for=[::1], proto=https",
        "proto=wss",
        "proto=WSS",
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
        "for=a=b;proto=https",
        "for=a b;proto=https",
        "for=a@b;proto=https",
        'for=a"b";proto=https',
        'for="a"b;proto=https',
        'for="a" b;proto=https',
        'for=", for=[::1]:80;proto=https',
        'for=", for="[::1]:80";proto=https',
        "proto=https;;x;",
        "proto=ws",
        "proto=javascript",
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
    ["proto=https", "http", "for", "=", ";", ",", '"', "\\", " ", "\t", "_a", "[::1]:8", "é", "1"]
)
near_misses = st.lists(pieces, max_size=14).map("".join)
line_text = near_misses | st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30
)


def as_elements(line: str) -> tuple[Element, ...] | None:
    found = all_elements(line)
    if found is None:
        return None
    return tuple(
        Element(one.get("for", ""), one.get("host", ""), one.get("proto", "")) for one in found
    )


@given(line_text)
def test_lines_are_read_as_the_oracle_reads_them(line: str) -> None:
    assert read_elements(line) == as_elements(line)


@given(st.lists(line_text, min_size=1, max_size=3))
def test_nothing_is_believed_that_the_grammar_refuses(lines: list[str]) -> None:
    if says_https(*lines):
        assert last_proto(lines) in ("https", "wss")


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
    line = ",".join(written)
    assert as_elements(line) is not None
    assert read_elements(line) == as_elements(line)


proxy_elements = st.sampled_from(
    [
        "for=192.0.2.60;proto=http",
        "proto=http;for=192.0.2.60",
        'for="[2001:db8::17]:4711";proto=http',
        'proto=http;host="a.example:80"',
        'host="x, proto=https";proto=http',
        "for=192.0.2.60:4711; proto=http",
        "for=[2001:db8::17]:4711;host=a.example:8443;proto=http",
        'for="[2001:db8::17]:4711" ; proto=http',
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
from routeguard.network.forwarded import read_elements

for line in (
    "  ," * 1000 + "(",
    "\\t\\t" * 1900 + "(",
    "a=b " * 900,
    'a="' + "\\\\\\\\" * 1900,
    "a=b;" * 900 + "(",
    "a" * 3900 + "(",
    ";" * 3900 + "!",
    ", ;" * 1300 + "=",
    " ; " * 1300 + "(",
    "a=b ; " * 660 + "(",
    "a=:" * 1300 + "(",
):
    assert len(line) < 4000, len(line)
    read_elements(line)
"""


def test_no_line_takes_long_to_refuse() -> None:
    """A pattern that backtracks without end would hold the event loop for years."""
    subprocess.run([sys.executable, "-P", "-c", HOSTILE], check=True, timeout=20)


def test_a_line_that_is_too_long_says_nothing() -> None:
    element = "for=192.0.2.60;proto=https"
    fits = "a=b;" * ((LONGEST_LINE - len(element)) // 4)
    assert read_elements("x," * ((LONGEST_LINE - len(element)) // 2) + element) is not None
    assert read_elements("x," * LONGEST_LINE + element) is None
    assert read_elements(fits + element) is None  # a twice


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "entries"),
    [
        ([], []),
        ([""], [""]),
        (["a"], ["a"]),
        (["a, b"], ["b", "a"]),
        (["a,b ,\tc"], ["c", "b", "a"]),
        (["a", "b"], ["b", "a"]),
        (["a, b", "c"], ["c", "b", "a"]),
        ([",,a"], ["a", "", ""]),
        (["a,"], ["", "a"]),
        (["a,", ""], ["", "", "a"]),
        ([" , "], ["", ""]),
        (["a b"], ["a b"]),
    ],
)
def test_a_list_is_read_from_the_right(lines: list[str], entries: list[str]) -> None:
    assert list(entries_from_right(lines)) == entries
    assert count_entries(lines) == len(entries)
    for position, entry in enumerate(entries):
        assert entry_from_right(lines, position) == entry
    assert entry_from_right(lines, len(entries)) == ""


@given(st.lists(st.text(" \t,abc", max_size=40), max_size=4))
def test_lists_are_read_as_split_reads_them(lines: list[str]) -> None:
    expected = [one.strip(" \t") for line in lines for one in line.split(",")]
    assert list(entries_from_right(lines)) == expected[::-1]
    assert count_entries(lines) == len(expected)


def test_what_is_examined_of_a_list_is_bounded() -> None:
    assert list(entries_from_right(["a," * 10_000 + "b"])) == ["b"] + ["a"] * (MOST_ENTRIES - 1)
    assert len(list(entries_from_right(["a"] * 10_000))) == MOST_ENTRIES
    assert count_entries(["a," * 10_000 + "b"]) == 10_001


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("wss", "https"),
        ("http", "http"),
        ("ws", "http"),
        ("WS", "http"),
        ("", None),
        ("httpſ", None),
        ("javascript", None),
        ("https ", None),
        ("https://", None),
        ("on", None),
    ],
)
def test_schemes(text: str, scheme: str | None) -> None:
    assert read_scheme(text) == scheme
