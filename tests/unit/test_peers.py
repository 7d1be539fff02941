"""Which peers are believed. Peers with addresses that a test cannot have are stood in for."""

import socket

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from routeguard.configuration import Faults
from routeguard.network.peers import DEFAULT_TRUSTED, Trusted, make_trusted, read_trusted
from tests.support.requests import Transport, request_over


def request_from(peername: object, family: int | None = socket.AF_INET) -> web.Request:
    return request_over(Transport(peername, family))


def trusting(trusted: str | list[str] | tuple[str, ...] = DEFAULT_TRUSTED) -> Trusted:
    return make_trusted(read_trusted(trusted, Faults("a policy")))


def peer(address: str) -> object:
    return (address, 4711, 0, 0) if ":" in address else (address, 4711)


@pytest.mark.parametrize(
    ("trusted", "address", "believed"),
    [
        ("10.0.0.0/8", "10.255.255.255", True),
        ("10.0.0.0/8", "11.0.0.0", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "::ffff:11.1.2.3", False),
        ("10.0.0.0/8", "::10.1.2.3", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("2001:db8::/32", "32.1.13.184", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("fe80::1", "fe80::1%25", True),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "11.1.2.3", False),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("::/0", "2001:db8::1", True),
        ("*", "203.0.113.9", True),
        ("*", "2001:db8::1", True),
        ("unix", "127.0.0.1", False),
    ],
)
def test_networks_and_addresses(trusted: str, address: str, believed: bool) -> None:
    policy = trusting(trusted)
    assert policy.includes(request_from(peer(address))) is believed
    # What was found out once is found again.
    assert policy.includes(request_from(peer(address))) is believed


@pytest.mark.parametrize(
    ("address", "believed"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.0.1", False),
        ("169.254.0.1", False),
        ("fe80::1%lo", False),
        ("::", False),
        ("0.0.0.0", False),
    ],
)
def test_by_default_loopback_is_believed_and_no_other_network(address: str, believed: bool) -> None:
    assert trusting().includes(request_from(peer(address))) is believed


@pytest.mark.parametrize("peername", ["", b"", "/run/nginx.sock", b"\0abstract", None])
def test_unix_sockets(peername: object) -> None:
    from_unix = request_from(peername, socket.AF_UNIX)
    assert trusting().includes(from_unix)
    assert trusting("unix").includes(from_unix)
    assert trusting("*").includes(from_unix)
    assert not trusting(["127.0.0.0/8", "0.0.0.0/0", "::/0"]).includes(from_unix)


@pytest.mark.parametrize(
    ("peername", "family"),
    [
        (None, None),
        (None, socket.AF_INET),
        ("", socket.AF_INET),
        ((), socket.AF_INET),
        (("localhost", 80), socket.AF_INET),
        ((None, 80), socket.AF_INET),
        (("", 80), socket.AF_INET),
        ((2130706433, 80), socket.AF_INET),
        ("127.0.0.1", socket.AF_INET),
        ([b"127.0.0.1", 80], socket.AF_INET),
    ],
)
def test_a_peer_that_cannot_be_known_is_not_believed(peername: object, family: int | None) -> None:
    assert not trusting().includes(request_from(peername, family))
    assert not trusting(["0.0.0.0/0", "::/0", "unix"]).includes(request_from(peername, family))


def test_a_client_that_has_gone_is_not_believed() -> None:
    request = request_from(("127.0.0.1", 4711))
    assert trusting().includes(request)
    request.protocol.transport = None
    assert not trusting().includes(request)
    assert trusting("*").includes(request)


def test_what_others_say_of_the_peer_is_not_asked() -> None:
    """`request.remote` may have been set from a header by a middleware further out."""
    request = request_from(("203.0.113.9", 4711)).clone(remote="127.0.0.1")
    assert request.remote == "127.0.0.1"
    assert not trusting().includes(request)
    request = request_from(("127.0.0.1", 4711)).clone(remote="203.0.113.9")
    assert trusting().includes(request)


def number(address: str) -> tuple[int, int]:
    """An address as its number of bits and its value; a mapped one as the IPv4 address it is."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    if len(raw) == 16 and raw.startswith(bytes(10) + b"\xff\xff"):
        raw = raw[12:]
    return len(raw) * 8, int.from_bytes(raw, "big")


small = st.integers(0, 3)
v4 = st.tuples(st.sampled_from([0, 10, 127, 255]), small, small, small).map(
    lambda parts: ".".join(map(str, parts))
)
v6 = st.tuples(st.sampled_from(["2001", "fe80", "0"]), small, small).map(
    lambda parts: f"{parts[0]}:{parts[1]}::{parts[2]}"
)


@given(st.one_of(v4, v6), st.one_of(v4, v6, v4.map("::ffff:{}".format)), st.integers(0, 128))
def test_membership_is_that_of_the_first_bits(network: str, address: str, length: int) -> None:
    bits, value = number(network)
    length = min(length, bits)
    host = bits - length
    base = socket.inet_ntop(
        socket.AF_INET if bits == 32 else socket.AF_INET6,
        (value >> host << host).to_bytes(bits // 8, "big"),
    )
    address_bits, address_value = number(address)
    expected = address_bits == bits and address_value >> host == value >> host
    policy = trusting(f"{base}/{length}")
    assert policy.includes(request_from(peer(address))) is expected
