"""`proxied`: the value, what it decides for each shape of headers, and against an oracle."""

import functools
import ipaddress
import time
from collections.abc import Iterable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from routeguard import ConfigError, Policy
from routeguard.bounded import LONGEST_KEY
from routeguard.policies.proxied.decision import NOTHING, Reported
from routeguard.policies.proxied.policy import proxied
from tests.support.requests import Transport, request_over
from tests.unit.proxiedoracle import told_by_elements, told_by_lists

FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
HOST, PORT = "X-Forwarded-Host", "X-Forwarded-Port"


def asked(headers: Iterable[tuple[str, str]], peer: str = "127.0.0.1") -> web.Request:
    return request_over(Transport((peer, 4711)), headers)


def told(policy: proxied, *headers: tuple[str, str]) -> tuple[str | None, ...]:
    found = policy.reported(asked(headers))
    return (found.remote, found.scheme, found.host)


CLUSTER = ["127.0.0.0/8", "10.0.0.0/8"]


@pytest.mark.parametrize(
    ("policy", "entries", "remote"),
    [
        # One proxy that appends.
        (proxied(), "203.0.113.9", "203.0.113.9"),
        (proxied(), "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (proxied(), "203.0.113.9:4711", "203.0.113.9"),
        (proxied(), "[2001:db8::9]:4711", "2001:db8::9"),
        (proxied(), "2001:DB8::9", "2001:db8::9"),
        (proxied(), "::ffff:203.0.113.9", "203.0.113.9"),
        # Two proxies: the nearer one is passed.
        (proxied(), "203.0.113.9, 10.0.0.7", "10.0.0.7"),
        (proxied(CLUSTER), "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (proxied(CLUSTER), "1.2.3.4, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (proxied(CLUSTER), "203.0.113.9, 10.0.0.7, 10.0.0.8", "203.0.113.9"),
        # All are trusted: the leftmost.
        (proxied(CLUSTER), "10.0.0.9, 10.0.0.7", "10.0.0.9"),
        (proxied(CLUSTER), "10.0.0.7", "10.0.0.7"),
        # What is no address stops the walk.
        (proxied(CLUSTER), "203.0.113.9, unknown, 10.0.0.7", "10.0.0.7"),
        (proxied(CLUSTER), "203.0.113.9, , 10.0.0.7", "10.0.0.7"),
        (proxied(CLUSTER), "203.0.113.9, unix:, 10.0.0.7", "10.0.0.7"),
        (proxied([*CLUSTER, "unix"]), "203.0.113.9, unix:, 10.0.0.7", "203.0.113.9"),
        (proxied([*CLUSTER, "unix"]), "203.0.113.9, unix:", "203.0.113.9"),
        (proxied([*CLUSTER, "unix"]), "unix:", None),
        (proxied(), "unknown", None),
        (proxied(), "203.0.113.9,", None),
        (proxied(), "", None),
        (proxied(), "javascript:alert(1)", None),
        # A count, and no other entry.
        (proxied(hops=1), "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (proxied(hops=2), "1.2.3.4, 203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (proxied(hops=3), "203.0.113.9, 10.0.0.7", None),
        (proxied(hops=1), "203.0.113.9, unknown", None),
        (proxied(hops=1), "203.0.113.9,", None),
        (proxied(hops=2), "203.0.113.9, unknown", "203.0.113.9"),
        (proxied(hops=1), "203.0.113.9, 127.0.0.1", "127.0.0.1"),
        (proxied(hops=1), "unix:", None),
        (proxied("*", hops=1), "1.2.3.4, 203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_address(policy: proxied, entries: str, remote: str | None) -> None:
    assert told(policy, (FOR, entries))[0] == remote
    lines = [(FOR, entry) for entry in entries.split(",")]
    assert told(policy, *lines)[0] == remote
    as_nodes = ", ".join(f'for="{entry.strip()}"' for entry in entries.split(","))
    options: Any = {"hops": policy.hops, "forwarded": True}
    assert told(proxied(policy.trusted, **options), ("Forwarded", as_nodes))[0] == remote


@pytest.mark.parametrize(
    ("addresses", "protos", "scheme"),
    [
        ("203.0.113.9", "https", "https"),
        ("203.0.113.9", "http", "http"),
        ("203.0.113.9", "HTTPS", "https"),
        ("203.0.113.9", "wss", "https"),
        ("203.0.113.9", "ws", "http"),
        ("203.0.113.9", "javascript", None),
        ("203.0.113.9", "", None),
        ("203.0.113.9", "https:", None),
        (None, "https", "https"),
        (None, "http, https", "https"),
        # The counts agree: the entry at the client's position.
        ("203.0.113.9, 10.0.0.7", "https, http", "https"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.7", "http, https, http", "https"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.7", "https, http, http", "http"),
        ("1.2.3.4, 203.0.113.9", "https, http", "http"),
        # They do not: the nearest.
        ("203.0.113.9, 10.0.0.7", "http", "http"),
        ("203.0.113.9, 10.0.0.7", "https", "https"),
        ("1.2.3.4, 203.0.113.9", "http", "http"),
        ("203.0.113.9", "https, http", "http"),
        ("203.0.113.9, 10.0.0.7", ", https, http", "http"),
        # Empty entries count.
        (", 203.0.113.9", "https, http", "http"),
        ("203.0.113.9,10.0.0.7", ",http", None),
        # The client's position is known though its address is not.
        ("unknown, 10.0.0.7", "https, http", "https"),
    ],
)
def test_the_scheme(addresses: str | None, protos: str, scheme: str | None) -> None:
    headers = [] if addresses is None else [(FOR, addresses)]
    assert told(proxied(CLUSTER), *headers, (PROTO, protos))[1] == scheme


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ([(HOST, "a.example")], "a.example"),
        ([(HOST, "A.Example:8443")], "a.example:8443"),
        ([(HOST, "a.example"), (PORT, "8443")], "a.example:8443"),
        ([(HOST, "a.example:8080"), (PORT, "8443")], "a.example:8080"),
        ([(HOST, "a.example"), (PROTO, "https"), (PORT, "443")], "a.example"),
        ([(HOST, "a.example:443"), (PROTO, "https")], "a.example"),
        ([(HOST, "a.example:443"), (PROTO, "http")], "a.example:443"),
        ([(HOST, "a.example"), (PORT, "80")], "a.example"),
        ([(HOST, "a.example"), (PROTO, "https"), (PORT, "80")], "a.example:80"),
        ([(HOST, "a.example"), (PORT, "0")], "a.example"),
        ([(HOST, "a.example"), (PORT, "99999")], "a.example"),
        ([(HOST, "a.example"), (PORT, "http")], "a.example"),
        ([(HOST, "[::1]"), (PORT, "8443")], "[::1]:8443"),
        ([(HOST, "b.example, a.example")], "a.example"),
        ([(PORT, "8443")], None),
        ([(HOST, "a.example/b")], None),
        ([(HOST, "user@a.example")], None),
        ([(HOST, "a.example:99999")], None),
        ([(HOST, "b\xfccher.example")], None),
        ([(HOST, "")], None),
        (
            [(FOR, "203.0.113.9, 10.0.0.7"), (HOST, "a.example, inner"), (PORT, "443, 80")],
            "a.example:443",
        ),
        (
            [(FOR, "203.0.113.9, 10.0.0.7"), (HOST, "a.example"), (PORT, "443, 8080")],
            "a.example:443",
        ),
    ],
)
def test_the_host(headers: list[tuple[str, str]], host: str | None) -> None:
    assert told(proxied(CLUSTER, host=True), *headers)[2] == host
    assert told(proxied(CLUSTER), *headers)[2] is None


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["for=203.0.113.9;proto=https"], Reported("203.0.113.9", "https")),
        (["for=203.0.113.9; proto=https; host=a.example:8443"],
         Reported("203.0.113.9", "https", "a.example:8443")),
        (['for="[2001:db8::9]:4711";proto=https;host="a.example:443"'],
         Reported("2001:db8::9", "https", "a.example")),
        (["for=203.0.113.9;proto=https, for=10.0.0.7;proto=http"],
         Reported("203.0.113.9", "https")),
        (["for=203.0.113.9, for=10.0.0.7;proto=https"], Reported("203.0.113.9", "https")),
        (["for=203.0.113.9;proto=https", "for=10.0.0.7;proto=http"],
         Reported("203.0.113.9", "https")),
        # A malformed line says nothing, nor does what stands before it.
        (['for="', "for=10.0.0.7;proto=https"], Reported("10.0.0.7", "https")),
        (["for=203.0.113.9;proto=https", 'for=10.0.0.7;x="'], NOTHING),
        # Elements without an address, and hidden ones.
        (["proto=https"], Reported(None, "https")),
        (["https"], Reported(None, "https")),
        (["for=_hidden;proto=https, for=10.0.0.7;proto=http"], Reported("10.0.0.7", "https")),
        (["for=unknown;proto=javascript"], NOTHING),
        ([""], NOTHING),
        (["for=203.0.113.9;proto=https;host=a.example/b"], Reported("203.0.113.9", "https")),
    ],
)  # fmt: skip
def test_forwarded(lines: list[str], found: Reported) -> None:
    policy = proxied(CLUSTER, forwarded=True, host=True)
    assert policy.reported(asked(("Forwarded", line) for line in lines)) == found


def test_one_family_of_headers_is_read() -> None:
    both = [(FOR, "203.0.113.9"), (PROTO, "https"), ("Forwarded", "for=198.51.100.7;proto=http")]
    assert proxied().reported(asked(both)) == Reported("203.0.113.9", "https")
    assert proxied(forwarded=True).reported(asked(both)) == Reported("198.51.100.7", "http")
    assert proxied(forwarded=True, host=True).reported(asked(both[:2])) == NOTHING
    assert proxied(host=True).reported(asked(both[2:])) == NOTHING
    others = [("X-Real-IP", "1.2.3.4"), ("X-Forwarded-Ssl", "on"), ("X-Scheme", "https")]
    assert proxied(host=True).reported(asked(others)) == NOTHING


def test_only_trusted_peers_are_believed() -> None:
    headers = [(FOR, "203.0.113.9"), (PROTO, "https"), (HOST, "a.example")]
    for policy in (proxied(host=True), proxied("10.0.0.7", host=True), proxied("unix", hops=1)):
        assert policy.reported(asked(headers, "198.51.100.7")) == NOTHING
    assert proxied("10.0.0.0/8").reported(asked(headers, "10.0.0.7")).remote == "203.0.113.9"
    everyone = proxied("*", hops=1)
    assert everyone.reported(asked(headers, "198.51.100.7")).remote == "203.0.113.9"
    moved = asked(headers, "198.51.100.7").clone(remote="127.0.0.1")
    assert proxied().reported(moved) == NOTHING


# --- against the oracle ---------------------------------------------------------------------------

small = st.integers(0, 2).map(str)
addresses = st.one_of(
    small.map("10.0.0.{}".format),
    small.map("203.0.113.{}".format),
    small.map("2001:db8::{}".format),
    small.map("::ffff:10.0.0.{}".format),
    small.map("[2001:db8::{}]:80".format),
    small.map("10.0.0.{}:4711".format),
)
junk = st.sampled_from(["", "unknown", "_a", "10.0.0", "[10.0.0.1]", "é", "10.0.0.1 10.0.0.2"])
entry = addresses | junk
blank = st.sampled_from(["", " ", "\t", "  "])


def lines_of(one: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[str]]:
    padded = st.tuples(blank, one, blank).map("".join)
    line = st.lists(padded, min_size=1, max_size=most).map(",".join)
    return st.lists(line, max_size=3)


networks = st.sampled_from([["10.0.0.0/8"], ["203.0.113.1/32", "10.0.0.1/32"], ["2001:db8::/127"]])
protos = st.sampled_from(["https", "http", "WSS", "ws", "", "x"])
hops = st.none() | st.integers(1, 5)


@functools.cache
def one_policy(trusted: tuple[str, ...], count: int | None, *, forwarded: bool) -> proxied:
    """One for all examples, so that what it remembers of one could be taken for another's."""
    return proxied(["127.0.0.1", *trusted], hops=count, forwarded=forwarded)


@given(lines_of(entry, 4), lines_of(protos, 4), networks, hops)
def test_lists_say_what_the_oracle_says(
    given_for: list[str], given_proto: list[str], trusted: list[str], count: int | None
) -> None:
    policy = one_policy(tuple(trusted), count, forwarded=False)
    headers = {FOR: given_for, PROTO: given_proto}
    flat = [(name, line) for name, lines in headers.items() for line in lines]
    found = policy.reported(asked(flat))
    assert (found.remote, found.scheme) == told_by_lists(headers, list(policy.trusted), count)


@st.composite
def elements(draw: st.DrawFn) -> str:
    pairs = []
    if draw(st.booleans()):
        pairs.append(f'for="{draw(entry.filter(str.isascii))}"')
    if draw(st.booleans()):
        pairs.append(f"proto={draw(st.sampled_from(['https', 'http', 'wss', 'x']))}")
    return draw(st.sampled_from([";", "; ", " ;"])).join(pairs)


broken = st.sampled_from(['for="', "for=a b", '";proto=https', "proto=https;proto=http"])


@given(lines_of(st.one_of(elements(), elements(), elements(), broken), 4), networks, hops)
def test_forwarded_says_what_the_oracle_says(
    lines: list[str], trusted: list[str], count: int | None
) -> None:
    policy = one_policy(tuple(trusted), count, forwarded=True)
    found = policy.reported(asked(("Forwarded", line) for line in lines))
    assert (found.remote, found.scheme) == told_by_elements(lines, list(policy.trusted), count)


anything = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
names = st.sampled_from([FOR, PROTO, HOST, PORT, "Forwarded", "X-FORWARDED-FOR"])


@given(st.lists(st.tuples(names, anything | entry), max_size=6), st.booleans(), hops)
def test_nothing_raises_and_what_is_taken_is_sound(
    headers: list[tuple[str, str]], forwarded: bool, count: int | None
) -> None:
    found = proxied(hops=count, forwarded=forwarded, host=True).reported(asked(headers))
    assert found.scheme in (None, "http", "https")
    if found.remote is not None:
        assert str(ipaddress.ip_address(found.remote)) == found.remote
    if found.host is not None:
        request = asked([]).clone(host=found.host, scheme="https")
        assert request.url.host is not None and request.url.path == "/"


@given(lines_of(entry, 3), addresses, networks)
def test_a_client_cannot_choose_its_address(own: list[str], peer: str, trusted: list[str]) -> None:
    """A proxy appends; a client that is not trusted is found whatever it has sent itself."""
    policy = proxied(["127.0.0.1", *trusted])
    alone = policy.reported(asked([(FOR, peer)])).remote
    assert alone is not None
    if not any(ipaddress.ip_address(alone) in ipaddress.ip_network(one) for one in trusted):
        joined = ", ".join([*own, peer])
        assert policy.reported(asked([(FOR, joined)])).remote == alone
        assert policy.reported(asked([*((FOR, line) for line in own), (FOR, peer)])).remote == alone


def test_what_is_remembered_is_of_the_same_headers() -> None:
    policy = proxied(CLUSTER, host=True)
    for _ in range(2):
        for address in ("203.0.113.9", "203.0.113.10"):
            for scheme in ("http", "https"):
                for host, port in (("a.example", "443"), ("a.example", "80"), ("b.example", "80")):
                    headers = [(FOR, address), (PROTO, scheme), (HOST, host), (PORT, port)]
                    default = {"http": "80", "https": "443"}[scheme]
                    named = host if port == default else f"{host}:{port}"
                    assert told(policy, *headers) == (address, scheme, named)
    plain = asked([(HOST, "a.example:443")])
    assert policy.reported(plain).host == "a.example:443"
    assert policy.reported(plain.clone(scheme="https")).host == "a.example"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = 100
    monkeypatch.setattr("routeguard.policies.proxied.policy.KEPT", kept)
    policy = proxied(CLUSTER)
    for number in range(3 * kept):
        policy.reported(asked([(FOR, f"203.0.{number // 256}.{number % 256}")]))
    assert len(policy._known) == kept
    policy.reported(asked([(FOR, "203.0.113.9" + " " * LONGEST_KEY)]))
    assert len(policy._known) == kept


def test_a_megabyte_of_addresses_takes_no_time() -> None:
    policy = proxied(CLUSTER)
    headers = [(FOR, "10.0.0.7, " * 100_000 + "10.0.0.8"), (PROTO, "https, " * 100_000 + "https")]
    request = asked(headers)
    started = time.process_time()
    assert policy.reported(request).remote == "10.0.0.7"
    assert time.process_time() - started < 0.25
    request = asked([("Forwarded", ", ".join(["for=10.0.0.7"] * 280))] * 300)
    started = time.process_time()
    assert proxied(CLUSTER, forwarded=True).reported(request).remote == "10.0.0.7"
    assert time.process_time() - started < 0.25


# --- the value ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"trusted": "*"}, r"proxied\('\*', hops=1\)"),
        ({"trusted": ["10.0.0.0/8", "*"]}, r"proxied\('\*', hops=1\)"),
        ({"trusted": "localhost"}, "'localhost' is no network or address"),
        ({"trusted": []}, "trusted is empty"),
        ({"trusted": lambda request: None}, "without its parentheses"),
        ({"trusted": "10.0.0.1/8"}, r"write '10\.0\.0\.0/8'"),
        ({"hops": 0}, "hops=0 is no number from 1 to 100"),
        ({"hops": -1}, "hops"),
        ({"hops": 101}, "hops"),
        ({"hops": True}, "hops"),
        ({"hops": 1.0}, "hops"),
        ({"hops": "1"}, "hops"),
        ({"forwarded": 1}, "forwarded=1 is no bool"),
        ({"forwarded": "yes"}, "forwarded"),
        ({"host": None}, "host=None is no bool"),
        ({"host": "a.example"}, "host"),
    ],
)
def test_an_invalid_value_raises_config_error(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        proxied(**arguments)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        proxied("x", hops=0, forwarded=1, host=0)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 4


def test_it_is_a_value() -> None:
    several: list[Policy] = [
        proxied(),
        proxied("10.0.0.0/8"),
        proxied(hops=1),
        proxied(forwarded=True),
        proxied(host=True),
    ]
    assert len(set(several)) == len(several)
    assert proxied() == proxied(["127.0.0.0/8", "::1", "unix"])
    assert proxied("::1") == proxied(["0:0::1/128"])
    with pytest.raises(AttributeError):
        proxied().hops = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "written",
    [
        "proxied()",
        "proxied(['10.0.0.0/8'])",
        "proxied(['*'], hops=2)",
        "proxied(['10.0.0.0/8', 'unix'], hops=1, forwarded=True, host=True)",
    ],
)
def test_the_repr_reads_like_the_call(written: str) -> None:
    assert repr(eval(written)) == written
