"""What `explain` tells of the client, its scheme and its host behind a proxy."""

from collections.abc import Mapping

import pytest
from aiohttp import web

import routeguard
from routeguard import ConfigError, Explanation, Policy, cors, csrf, explain, hosts, https, proxied


async def handler(request: web.Request) -> web.Response:
    return web.Response()


def explained(
    *policies: Policy,
    headers: Mapping[str, str] | None = None,
    peer: str | None = None,
    method: str = "GET",
    host: str | None = None,
    origin: str | None = None,
) -> Explanation:
    app = web.Application()
    app.router.add_route("*", "/x", handler)
    routeguard.setup(app, *policies)
    return explain(app, method, "/x", headers=headers, peer=peer, host=host, origin=origin)


CLIENT = {"X-Forwarded-For": "1.2.3.4, 203.0.113.9", "X-Forwarded-Proto": "https"}
SHOP = {**CLIENT, "X-Forwarded-Host": "shop.example"}
TRUSTED = "127.0.0.0/8, ::1, unix"


@pytest.mark.parametrize(
    ("policies", "peer", "headers", "address", "scheme"),
    [
        ([], None, CLIENT, "", "that of the connection"),
        ([], "10.0.0.7", CLIENT, "10.0.0.7", "that of the connection"),
        (
            [proxied()],
            None,
            CLIENT,
            f"203.0.113.9, if the proxy is among {TRUSTED}",
            f"https, if the proxy is among {TRUSTED}",
        ),
        ([proxied()], "127.0.0.1", CLIENT, "203.0.113.9", "https"),
        ([proxied()], "unix", CLIENT, "203.0.113.9", "https"),
        ([proxied()], "::ffff:127.0.0.1", CLIENT, "203.0.113.9", "https"),
        ([proxied()], "127.0.0.1", {}, "127.0.0.1", "that of the connection"),
        ([proxied()], None, {}, "that of the connection", "that of the connection"),
        (
            [proxied()],
            "10.0.0.7",
            CLIENT,
            f"10.0.0.7, which is not among {TRUSTED}: no header is believed",
            "that of the connection",
        ),
        ([proxied("10.0.0.0/8", hops=2)], "10.0.0.7", CLIENT, "1.2.3.4", "https"),
        ([https()], None, CLIENT, "", f"https, if the proxy is among {TRUSTED}"),
        ([https()], "127.0.0.1", CLIENT, "127.0.0.1", "https"),
        ([https()], "10.0.0.7", CLIENT, "10.0.0.7", "http"),
        (
            [https(redirect=True)],
            "10.0.0.7",
            {},
            "10.0.0.7",
            "http, which is redirected or refused",
        ),
        ([https(redirect=8443)], None, {}, "", "http, which is redirected or refused"),
        ([https()], "127.0.0.1", {"X-Forwarded-Proto": "wss"}, "127.0.0.1", "https"),
    ],
    ids=repr,
)
def test_address_and_scheme(
    policies: list[Policy],
    peer: str | None,
    headers: dict[str, str],
    address: str,
    scheme: str,
) -> None:
    told = explained(*policies, headers=headers, peer=peer)
    assert (told.address, told.scheme) == (address, scheme)
    assert scheme in str(told) and address in str(told)


def test_a_peer_that_https_does_not_trust() -> None:
    note = f"https believes no header of 10.0.0.7, which is not among {TRUSTED}"
    assert explained(https(), headers=CLIENT, peer="10.0.0.7").notes == (note,)
    assert explained(https(), headers={}, peer="10.0.0.7").notes == ()


def test_the_host() -> None:
    policy = proxied(host=True)
    assert explained(policy, headers=SHOP, peer="127.0.0.1").host == "shop.example"
    assert explained(policy, headers=CLIENT, peer="127.0.0.1").host == "that of the request"
    assert explained(proxied(), headers=SHOP, peer="127.0.0.1").host == ""
    assert explained(policy, headers=SHOP).host.startswith("shop.example, if the proxy is among")


def test_policies_farther_in_are_told_of_what_the_application_would_see() -> None:
    origin = "https://shop.example"
    told = explained(
        proxied(host=True), csrf(), headers=SHOP, peer="127.0.0.1", method="POST", origin=origin
    )
    assert told.notes == ()
    told = explained(
        proxied(host=True), csrf(), headers=SHOP, peer="10.0.0.7", method="POST", origin=origin
    )
    assert any("csrf refuses it" in note for note in told.notes)
    told = explained(proxied(), https(redirect=True), headers={}, peer="127.0.0.1")
    assert told.notes == ("https redirects or refuses it, as it came over plain HTTP",)
    assert explained(proxied(), https(redirect=True), headers=CLIENT, peer="127.0.0.1").notes == ()
    seen: list[tuple[str, str | None]] = []

    def predicate(origin: str, request: web.BaseRequest) -> bool:
        seen.append((request.scheme, request.remote))
        return request.secure

    explained(proxied(), cors(predicate), headers=CLIENT, peer="127.0.0.1", origin=origin)
    assert set(seen) == {("https", "203.0.113.9")}


def test_a_refused_host() -> None:
    assert explained(hosts("shop.example"), host="shop.example:8080").notes == ()
    assert explained(hosts("shop.example")).notes == ()
    [note] = explained(hosts("shop.example"), host="evil.example").notes
    assert note == "hosts refuses the request, for evil.example, with 421"
    [note] = explained(hosts("shop.example", report_only=True), host="a b").notes
    assert note == "hosts would refuse the request, which has no host, with 421"
    policies = proxied(host=True), hosts("shop.example")
    assert explained(*policies, headers=SHOP, peer="127.0.0.1", host="inner").notes == ()
    [note] = explained(*policies, headers=SHOP, peer="10.0.0.7", host="inner").notes
    assert "for inner" in note


@pytest.mark.parametrize(
    ("policy", "headers", "note"),
    [
        (
            https({"Forwarded": "https"}),
            {"Forwarded": 'for="'},
            "Forwarded is malformed, and says nothing",
        ),
        (
            proxied(forwarded=True),
            {"Forwarded": 'for=1.2.3.4;x="'},
            "Forwarded has a malformed line: it says nothing, nor do those before it",
        ),
        (
            proxied(forwarded=True),
            {"Forwarded": "for=unknown"},
            "for: 'unknown' is no address, and says nothing",
        ),
        (
            proxied(),
            {"X-Forwarded-For": "1.2.3.4, unknown"},
            "X-Forwarded-For: 'unknown' is no address, and says nothing",
        ),
        (
            proxied(),
            {"X-Forwarded-Proto": "javascript"},
            "X-Forwarded-Proto: 'javascript' is no scheme, and says nothing",
        ),
        (
            proxied(host=True),
            {"X-Forwarded-Host": "a.example/b"},
            "X-Forwarded-Host: 'a.example/b' is no host, and says nothing",
        ),
    ],
)
def test_what_is_malformed_is_told(policy: Policy, headers: dict[str, str], note: str) -> None:
    assert explained(policy, headers=headers).notes == (note,)


@pytest.mark.parametrize("peer", ["", "localhost", "10.0.0.0/8", "10.0.0.7:80", "UNIX", 7])
def test_a_peer_that_is_none(peer: str) -> None:
    with pytest.raises(ConfigError, match=r"write '10\.0\.0\.7', or 'unix'"):
        explained(peer=peer)
