"""What `check` finds of proxies: whom policies believe, and what stands in front of them."""

import pytest
from aiohttp import web

import routeguard
from routeguard import (
    Policy,
    check,
    client_address,
    concurrency_limit,
    exempt,
    hosts,
    https,
    proxied,
    rate_limit,
    rule,
)


async def handler(request: web.Request) -> web.Response:
    return web.Response()


def found(*entries: routeguard.Policy, **routes: Policy) -> list[tuple[str, str]]:
    app = web.Application()
    app.router.add_get("/plain", handler)
    for name, policy in routes.items():
        app.router.add_get(f"/{name}", policy(handler))
    routeguard.setup(app, *entries)
    return [(one.code, one.severity) for one in check(app, ignore=["RG401"])]


@pytest.mark.parametrize(
    ("policy", "findings"),
    [
        (proxied(), []),
        (proxied("10.0.0.0/8"), []),
        (proxied("0.0.0.0/0"), [("RG402", "warning")]),
        (proxied(["10.0.0.0/8", "::/0"]), [("RG402", "warning")]),
        (proxied("0.0.0.0/0", hops=1), [("RG402", "info")]),
        (proxied("*", hops=1), [("RG402", "info")]),
    ],
)
def test_a_trusted_network_that_is_the_whole_internet(
    policy: proxied, findings: list[tuple[str, str]]
) -> None:
    assert found(policy) == findings


def test_https_where_only_others_know_of_the_proxy() -> None:
    far = proxied("10.0.0.0/8")
    assert found(https(), one=far) == [("RG403", "warning")]
    assert found(https(), one=https(trusted="10.0.0.0/8")) == [("RG403", "warning")]
    # Nothing suggests a proxy, or all know of it.
    assert found(https()) == []
    assert found(https(), far) == []
    assert found(https(trusted="10.0.0.0/8"), one=https(trusted="10.0.0.0/8")) == []
    assert found(https(), one=https(redirect=True)) == []
    # Somebody has thought of it.
    assert found(https(), far, inner=exempt(proxied)) == []


def test_limits_by_address_where_only_others_know_of_the_proxy() -> None:
    far, by_address = proxied("10.0.0.0/8"), rate_limit("10/second")
    assert found(by_address, one=far) == [("RG403", "warning")]
    # Where https stands on the route itself, that is another finding.
    both = [("RG403", "warning"), ("RG601", "warning")]
    assert found(by_address, one=https(trusted="10.0.0.0/8")) == both
    assert found(by_address) == []
    assert found(by_address, far) == []
    assert found(by_address, https(trusted="10.0.0.0/8"), one=far) == [("RG601", "warning")]
    counted = concurrency_limit(5, key=client_address)
    assert found(counted, one=far) == [("RG403", "warning")]
    assert found(concurrency_limit(5), one=far) == []


def test_findings_of_many_routes_are_one() -> None:
    app = web.Application()
    for number in range(5):
        app.router.add_get(f"/{number}", handler)
    app.router.add_get("/far", proxied("10.0.0.0/8")(handler))
    routeguard.setup(app, https())
    [one] = check(app)
    assert one.code == "RG403" and len(one.places) == 5
    assert "https()" in one.message and "proxied(['10.0.0.0/8'])" in one.message


@pytest.mark.parametrize(
    ("redirect", "names", "is_found"),
    [
        (True, ["shop.example"], False),
        (True, ["shop.example:80"], True),
        (True, ["shop.example:80", "shop.example:443"], False),
        (True, ["shop.example:443"], False),
        (True, ["shop.example:8080"], False),
        (8443, ["shop.example:8080"], True),
        (8443, ["shop.example:8080", "shop.example:8443"], False),
        (8443, ["shop.example:8080", "shop.example"], False),
        (8443, ["*.shop.example:8080"], True),
        (8443, ["*.shop.example:8080", "*.shop.example:8443"], False),
        (443, ["shop.example:80"], True),
        (443, ["[::1]:80", "[::1]:443"], False),
        (False, ["shop.example:80"], False),
    ],
)
def test_where_a_redirect_leads(redirect: bool | int, names: list[str], is_found: bool) -> None:
    codes = [code for code, _ in found(https(redirect=redirect), hosts(*names))]
    assert codes == (["RG404"] if is_found else [])


def test_a_redirect_elsewhere_is_no_matter() -> None:
    app = web.Application()
    app.router.add_get("/a", handler)
    app.router.add_get("/b", handler)
    routeguard.setup(app, rule("/a", https(redirect=8443)), rule("/b", hosts("shop.example:80")))
    assert check(app) == ()
