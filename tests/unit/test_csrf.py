"""`csrf` against an oracle written apart, over every combination of what it looks at."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from routeguard import csrf
from tests.support.extent import part
from tests.support.requests import a_request

METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PROPFIND")
UPGRADES: tuple[tuple[str, ...], ...] = ((), ("websocket",), (" WebSocket\t",), ("h2c",))
SITES: tuple[tuple[str, ...], ...] = (
    (),
    ("same-origin",),
    ("none",),
    ("same-site",),
    ("cross-site",),
    ("",),
    ("Same-Origin",),
    ("same-origin, none",),
    ("same-origin", "cross-site"),
    ("same-origin", "none"),
)
ORIGINS: tuple[tuple[str, ...], ...] = (
    (),
    ("https://app.example",),
    ("http://app.example",),
    ("https://app.example:8443",),
    ("HTTPS://App.Example",),
    ("https://app.example.evil.example",),
    ("https://evil.example",),
    ("https://evil.example/https://app.example",),
    ("https://app.example@evil.example",),
    ("https://[::1]:8443",),
    ("http://[::1]",),
    ("https://partner.example",),
    ("https://a.b.partner.example",),
    ("https://PARTNER.example",),
    ("http://partner.example",),
    ("https://partner.example", "https://evil.example"),
    ("https://app.example", "https://app.example"),
    ("null",),
    ("",),
    ("app.example",),
    ("https://",),
    ("https://app.example\u212a",),
    # A default port written out, by clients that are no browsers.
    ("https://app.example:443",),
    ("http://app.example:80",),
    ("http://app.example:443",),
    ("https://app.example:80",),
    ("http://[::1]:80",),
    ("https://app.example:0443",),
    ("https://app.example:443:443",),
    # Hosts that registries refuse, and browsers send.
    ("https://app-.example",),
    ("http://-app.example:8443",),
    ("http://app.example.",),
    ("http://app.example.:8443",),
    ("https://app.example..",),
    # Schemes that are no page's of this server.
    ("ftp://app.example:8443",),
    ("ws://app.example",),
    ("wss://app.example:443",),
    ("chrome-extension://app.example",),
)
HOSTS: tuple[tuple[str, ...], ...] = (
    ("app.example",),
    ("APP.example",),
    ("app.example:443",),
    ("app.example:80",),
    ("app.example:8443",),
    ("[::1]",),
    ("[::1]:80",),
    ("[::1]:8443",),
    ("partner.example",),
    ("evil.example",),
    ("app-.example",),
    ("app-.example:443",),
    ("-app.example:8443",),
    ("app.example.",),
    ("App.Example.:8443",),
    ("app.example:443:443",),
    ("app.example\u212a",),
    ("app.example", "evil.example"),
    ("",),
    (),
)
TRUSTED = ("https://partner.example", "https://*.partner.example")


def is_trusted(origins: tuple[str, ...], trusted: tuple[str, ...]) -> bool:
    if len(origins) != 1 or not trusted:
        return False
    origin = origins[0].lower()
    return origin == "https://partner.example" or (
        origin.startswith("https://") and origin.endswith(".partner.example")
    )


def port_of(text: str, default: int) -> int | None:
    if text == "":
        return default
    return int(text[1:]) if text[:1] == ":" and text[1:].isdecimal() and text[1] != "0" else None


def is_own(origins: tuple[str, ...], hosts: tuple[str, ...]) -> bool:
    if len(origins) != 1 or len(hosts) != 1 or not (origins[0] + hosts[0]).isascii():
        return False
    scheme, mark, rest = origins[0].lower().partition("://")
    default = {"https": 443, "http": 80}.get(scheme)
    name = "[::1]" if rest.startswith("[::1]") else rest.partition(":")[0]
    own = hosts[0].lower()
    if not mark or default is None or not name or ".." in name or not own.startswith(name):
        return False
    port = port_of(rest.removeprefix(name), default)
    return port is not None and port == port_of(own.removeprefix(name), default)


def passes(
    method: str,
    upgrade: tuple[str, ...],
    sites: tuple[str, ...],
    origins: tuple[str, ...],
    hosts: tuple[str, ...],
    trusted: tuple[str, ...],
) -> bool:
    opens_websocket = method == "GET" and "websocket" in "".join(upgrade).lower()
    if method in ("GET", "HEAD", "OPTIONS", "TRACE") and not opens_websocket:
        return True
    if is_trusted(origins, trusted):
        return True
    if sites:
        return set(sites) <= {"same-origin", "none"}
    return not origins or is_own(origins, hosts)


@pytest.mark.parametrize("trusted", [(), TRUSTED], ids=["nobody trusted", "somebody trusted"])
@pytest.mark.parametrize("method", METHODS)
def test_every_combination(method: str, trusted: tuple[str, ...]) -> None:
    policy = csrf(trusted_origins=trusted)
    wrong = []
    for upgrade, sites, origins, hosts in part(product(UPGRADES, SITES, ORIGINS, HOSTS), 5):
        if method != "GET" and upgrade not in UPGRADES[:2]:
            continue
        headers = CIMultiDict[str]()
        for name, lines in (
            ("Upgrade", upgrade),
            ("Sec-Fetch-Site", sites),
            ("Origin", origins),
            ("Host", hosts),
        ):
            for line in lines:
                headers.add(name, line)
        request = a_request(method=method, headers=headers.items())
        expected = passes(method, upgrade, sites, origins, hosts, trusted)
        if (policy.refusal(request) is None) != expected:
            wrong.append((upgrade, sites, origins, hosts, expected))
    assert wrong == []


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=20))
def test_garbage_is_refused_and_raises_nothing(origin: str, host: str, site: str) -> None:
    policy = csrf(trusted_origins=TRUSTED)
    with_origin = [("Host", host), ("Origin", origin)]
    for headers in (with_origin, [*with_origin, ("Sec-Fetch-Site", site)]):
        clean = CIMultiDict(
            (name, value.encode("ascii", "ignore").decode()) for name, value in headers
        )
        request = a_request(method="POST", headers=clean.items())
        reason = policy.refusal(request)
        if reason is None:
            sites = tuple(clean.getall("Sec-Fetch-Site", ()))
            named = (clean["Origin"],)
            assert passes("POST", (), sites, named, (clean["Host"],), TRUSTED)
        else:
            assert reason.isascii() and reason.isprintable()


@pytest.mark.parametrize("origin", ["https://a.example\x7f", "https://a.example\u2028x", "é\x00"])
def test_the_reason_shows_the_header_safely(origin: str) -> None:
    request = a_request(method="POST", headers=[("Host", "a.example"), ("Origin", origin)])
    reason = csrf().refusal(request)
    assert reason is not None and reason.isascii() and reason.isprintable()


def test_the_reason_is_short_whatever_came() -> None:
    request = a_request(method="POST", headers=[("Host", "a"), ("Origin", "https://b" * 500)])
    assert len(csrf().refusal(request) or "") < 400
    request = a_request(method="POST", headers=[("Host", "a"), ("Sec-Fetch-Site", "x" * 5000)])
    assert len(csrf().refusal(request) or "") < 400
