"""Addresses as sockets and proxies write them, against the operating system's own reading."""

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard.network.addresses import read_address, read_node


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.60", "192.0.2.60"),
        ("192.0.2.60:4711", "192.0.2.60"),
        ("192.0.2.60:0", "192.0.2.60"),
        ("192.0.2.60:_obscured", "192.0.2.60"),
        ("2001:db8::17", "2001:db8::17"),
        ("2001:DB8:0:0::17", "2001:db8::17"),
        ("[2001:db8::17]", "2001:db8::17"),
        ("[2001:db8::17]:4711", "2001:db8::17"),
        ("[2001:db8::17]:_obscured", "2001:db8::17"),
        ("2001:db8::17:4711", "2001:db8::17:4711"),  # a bare IPv6 address has no port
        ("::1", "::1"),
        ("[::]", "::"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%25eth0.7", "fe80::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("::ffff:192.0.2.60", "192.0.2.60"),
        ("::ffff:c000:23c", "192.0.2.60"),
        ("[::ffff:192.0.2.60]:80", "192.0.2.60"),
        ("::192.0.2.60", "::c000:23c"),  # IPv4-compatible: not the same as mapped
        ("unix:", "unix"),  # as nginx writes it for a Unix socket
    ],
)
def test_what_is_an_address(text: str, address: str) -> None:
    assert str(read_node(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "_hidden",
        "localhost",
        "a.example",
        "unix",
        "unix:/run/app.sock",
        "192.0.2",
        "192.0.2.060",
        "192.0.2.256",
        "192.0.2.60.1",
        "3221225532",
        "0xc000023c",
        "192.0.2.60:",
        "192.0.2.60:123456",
        "192.0.2.60:http",
        "192.0.2.60:_",
        "192.0.2.60%eth0",
        "[192.0.2.60]",
        "[192.0.2.60]:80",
        "[2001:db8::17",
        "2001:db8::17]",
        "[2001:db8::17]4711",
        "[2001:db8::17]:",
        "[]",
        "2001:db8:::17",
        "2001:db8::17::1",
        "12345::",
        "fe80::1%",
        "fe80::1%e th",
        "fe80::1%" + "e" * 50,
        " 192.0.2.60",
        "192.0.2.60 ",
        "192.0.2.60\n",
        "192.0.2.60, 192.0.2.61",
        "192.0.2.0/24",
        "١٩٢.0.2.60",
        "http://192.0.2.60",
        "javascript:alert(1)",
        "2" * 100_000,
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert read_node(text) is None


def test_a_sockets_peer() -> None:
    assert str(read_address("192.0.2.60")) == "192.0.2.60"
    assert str(read_address("fe80::1%eth0")) == "fe80::1"
    assert str(read_address("::ffff:192.0.2.60")) == "192.0.2.60"
    for text in ("", "localhost", "[::1]", "192.0.2.60:80", "1" * 200):
        assert read_address(text) is None


def by_the_system(text: str) -> bytes | None:
    """An address as the system reads it; a mapped one as the IPv4 address it is."""
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](:[0-9]{1,5})?", text, re.ASCII)
    with_port = re.fullmatch(r"([^:]*):[0-9]{1,5}", text, re.ASCII)
    candidates = (
        [(socket.AF_INET6, bracketed[1])]
        if bracketed
        else [(socket.AF_INET, with_port[1])]
        if with_port
        else [(socket.AF_INET, text), (socket.AF_INET6, text)]
    )
    for family, candidate in candidates:
        try:
            raw = socket.inet_pton(family, candidate)
        except (OSError, ValueError):
            continue
        return raw[12:] if raw.startswith(bytes(10) + b"\xff\xff") and len(raw) == 16 else raw
    return None


pieces = st.sampled_from(
    [
        "::",
        ":",
        "1",
        "ffff",
        "2001:db8",
        "10.0.0.1",
        ".",
        "[",
        "]",
        ":80",
        "0",
        "25",
        "g",
        "unknown",
    ]
)


@given(st.lists(pieces, max_size=6).map("".join) | st.ip_addresses().map(str))
def test_addresses_are_those_of_the_system(text: str) -> None:
    found, expected = read_node(text), by_the_system(text)
    assert (None if found is None or isinstance(found, str) else found.packed) == expected


@given(st.text(max_size=30))
def test_no_text_raises(text: str) -> None:
    read_node(text)
    read_address(text)
