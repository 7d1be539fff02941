"""`hosts`: the value, and which hosts it admits, against an oracle that looks at every name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard import ConfigError
from routeguard.network.authorities import read_authority
from routeguard.policies.hosts.policy import hosts


def admits(policy: hosts, host: str, scheme: str = "http") -> bool:
    authority = read_authority(host)
    return authority is not None and policy.admits(authority, scheme)


@pytest.mark.parametrize(
    ("name", "host", "scheme", "admitted"),
    [
        # A name without a port admits every port.
        ("a.example", "a.example", "http", True),
        ("a.example", "A.EXAMPLE", "http", True),
        ("A.Example.", "a.example", "http", True),
        ("a.example", "a.example.", "http", True),
        ("a.example", "a.example:8080", "http", True),
        ("a.example", "b.a.example", "http", False),
        ("a.example", "a.example.evil.example", "http", False),
        ("a.example", "evil-a.example", "http", False),
        ("a.example", "example", "http", False),
        ("a.example", "a.example..", "http", False),
        ("a.example", "a.example@evil.example", "http", False),
        ("localhost", "localhost:8080", "http", True),
        # A name with a port admits that one; left out, it is the scheme's.
        ("a.example:8443", "a.example:8443", "https", True),
        ("a.example:8443", "a.example", "https", False),
        ("a.example:443", "a.example", "https", True),
        ("a.example:443", "a.example", "http", False),
        ("a.example:443", "a.example:443", "http", True),
        ("a.example:80", "a.example", "http", True),
        ("a.example:80", "a.example", "https", False),
        # Subdomains at any depth, not the name itself.
        ("*.a.example", "b.a.example", "http", True),
        ("*.a.example", "c.b.a.example:8080", "http", True),
        ("*.a.example", "B.A.Example.", "http", True),
        ("*.a.example", "a.example", "http", False),
        ("*.a.example", ".a.example", "http", False),
        ("*.a.example", "b-a.example", "http", False),
        ("*.a.example:8443", "b.a.example:8443", "https", True),
        ("*.a.example:8443", "b.a.example", "https", False),
        ("*.a.example:443", "b.a.example", "https", True),
        # Addresses.
        ("127.0.0.1", "127.0.0.1:8080", "http", True),
        ("127.0.0.1", "127.0.0.1.", "http", False),
        ("127.0.0.1", "127.0.0.2", "http", False),
        ("[::1]", "[0:0::1]:8080", "http", True),
        ("::1", "[::1]", "http", True),
        ("[::1]:8443", "[::1]:8443", "https", True),
        ("[::1]:8443", "[::1]", "https", False),
        ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "http", True),
    ],
)
def test_who_is_admitted(name: str, host: str, scheme: str, admitted: bool) -> None:
    assert admits(hosts(name), host, scheme) is admitted
    assert admits(hosts("other.example", "*.other.example", name), host, scheme) is admitted


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "no names"),
        (("",), "is empty"),
        ((" ",), "is empty"),
        (("*",), "would admit every host: leave hosts out"),
        (("*.",), "write"),
        (("https://a.example",), "is a URL: write the host alone, 'a.example'"),
        (("a.example/b",), "has a path: write the host alone, 'a.example'"),
        ((".a.example",), r"write '\*\.a\.example'"),
        (("a.example:*",), "write 'a.example', which admits every port"),
        (("a.*.example",), r"write '\*\.example\.com'"),
        (("*a.example",), r"write '\*\.example\.com'"),
        (("*.*.example",), r"write '\*\.example\.com'"),
        (("*.127.0.0.1",), "an address has no subdomains: write `127.0.0.1`"),
        (("*.[::1]",), r"an address has no subdomains: write `\[::1\]`"),
        (("a.example, b.example",), "several names in one text"),
        (("a.example b.example",), "several names in one text"),
        (("b\xfccher.example",), "in Punycode, 'xn--bcher-kva.example'"),
        (("a.example:0",), "no host name"),
        (("a.example:99999",), "no host name"),
        (("a.example:http",), "no host name"),
        (("a..example",), "no host name"),
        (("1.2.3.4.5",), "no host name"),
        (("user@a.example",), "no host name"),
        ((None,), "None is no host name"),
        ((b"a.example",), "no host name"),
        ((["a.example", "*.b.example"],), r"write hosts\('a.example', '\*.b.example'\)"),
        ((lambda request: None,), r"write @hosts\('example.com'\)"),
    ],
)
def test_an_invalid_value_raises_config_error(names: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        hosts(*names)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        hosts("*", "https://a.example", "b.example", report_only=1)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 3


def test_it_is_a_value() -> None:
    assert hosts("A.example.", "a.example") == hosts("a.example")
    assert hosts("::1") == hosts("[0:0::1]")
    several = {hosts("a"), hosts("a:80"), hosts("*.a"), hosts("a", report_only=True)}
    assert len(several) == 4
    written = "hosts('a.example', '*.a.example:8443', '[::1]', report_only=True)"
    assert repr(eval(written)) == written


labels = st.sampled_from(["a", "b", "example", "-x-", "1"])
names = st.lists(labels, min_size=1, max_size=3).map(".".join).filter(lambda n: n[-1] != "1")
ports = st.sampled_from(["", ":80", ":443", ":8080"])
patterns = st.tuples(st.sampled_from(["", "*."]), names, ports).map("".join)
asked = st.tuples(names, st.sampled_from(["", "."]), ports).map("".join)


def by_every_name(given: list[str], host: str, scheme: str) -> bool:
    name, _, port = host.partition(":")
    name = name.removesuffix(".")
    number = port or {"http": "80", "https": "443"}[scheme]
    for pattern in given:
        wanted, _, wanted_port = pattern.partition(":")
        fits = (
            name.endswith(wanted.removeprefix("*")) and name != wanted.removeprefix("*.")
            if wanted.startswith("*.")
            else name == wanted
        )
        if fits and wanted_port in ("", number):
            return True
    return False


@given(st.lists(patterns, min_size=1, max_size=5), asked, st.sampled_from(["http", "https"]))
def test_who_is_admitted_by_the_oracle(given_names: list[str], host: str, scheme: str) -> None:
    policy = hosts(*given_names)
    assert admits(policy, host, scheme) == by_every_name(given_names, host, scheme)
