"""By what limits count."""

import ipaddress

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from routeguard import ConfigError, client_address, header_key
from routeguard.keys import LONGEST, read_key


def request(
    remote: str | None = "192.0.2.1", headers: list[tuple[str, str]] | None = None
) -> web.Request:
    made = make_mocked_request("GET", "/", headers=CIMultiDict(headers or []))
    return made.clone(remote=remote)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("remote", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
        ("somebody", "somebody"),
        ("", "local"),
        (None, "local"),
    ],
)
def test_addresses(remote: str | None, key: str) -> None:
    assert client_address(request(remote)) == key


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_counts_by_its_network(address: ipaddress.IPv6Address) -> None:
    found = client_address(request(str(address)))
    if address.ipv4_mapped is not None:
        assert found == str(address.ipv4_mapped)
    else:
        network = ipaddress.ip_network(found)
        assert address in network and network.prefixlen == 64


def test_one_header_is_the_key() -> None:
    by_header = header_key("X-Api-Key")
    one = by_header(request(headers=[("X-Api-Key", "one")]))
    assert one == by_header(request("192.0.2.9", headers=[("x-api-key", "one")]))
    assert one != by_header(request(headers=[("X-Api-Key", "two")]))
    assert one != header_key("X-Other")(request(headers=[("X-Other", "one")]))
    assert "one" not in one.removeprefix("x-api-key")


@pytest.mark.parametrize("headers", [[], [("X-Api-Key", "")], [("X-Api-Key", "a")] * 2])
def test_without_the_header_it_is_the_address(headers: list[tuple[str, str]]) -> None:
    assert header_key("X-Api-Key")(request(headers=headers)) == "192.0.2.1"


@given(st.text(min_size=1))
def test_no_header_passes_for_an_address_and_none_is_too_long(value: str) -> None:
    key = header_key("X-Api-Key")(request(headers=[("X-Api-Key", value)]))
    assert key.startswith("x-api-key=") and len(key) < LONGEST


@pytest.mark.parametrize("name", ["", "X Api", "X:Api", "é", 3, None, "X\n"])
def test_what_is_no_header(name: object) -> None:
    with pytest.raises(ConfigError, match="it is no header's name"):
        header_key(name)  # type: ignore[arg-type]


def test_header_keys_are_values() -> None:
    assert header_key("X-A") == header_key("X-A")
    assert header_key("X-A") != header_key("X-B")
    assert repr(header_key("X-A")) == "header_key('X-A')"
    assert len({header_key("X-A"), header_key("X-A")}) == 1


found = st.one_of(st.text(), st.integers(), st.binary())


@given(found, found)
def test_keys_that_differ_stay_different(one: str | int | bytes, other: str | int | bytes) -> None:
    keys = read_key(one), read_key(other)
    assert all(key is not None and len(key) <= LONGEST for key in keys)
    if type(one) is type(other):
        assert (keys[0] == keys[1]) == (one == other)


def test_none_exempts_and_nothing_else_does() -> None:
    assert read_key(None) is None
    assert read_key("") == ""
    assert read_key(0) == "0"
