"""RG601 to RG603: limits that count by something else than was meant, or that pages cannot read."""

import pytest
from aiohttp import web

import routeguard
from routeguard import (
    Finding,
    Policy,
    check,
    concurrency_limit,
    cors,
    exempt,
    header_key,
    https,
    proxied,
    rate_limit,
    rule,
    timeout,
)


async def page(request: web.Request) -> web.Response:
    return web.Response()


def found(app: web.Application, code: str) -> list[Finding]:
    return [one for one in check(app) if one.code == code]


def make(*policies: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/other", page)
    routeguard.setup(app, timeout(5), *policies)
    return app


BY_ADDRESS = rate_limit("10/second")
BY_HEADER = rate_limit("10/second", key=header_key("X-Api-Key"))
PAGES = "https://app.example.com"


@pytest.mark.parametrize("limit", [BY_ADDRESS, concurrency_limit(5, key=routeguard.client_address)])
def test_a_proxy_that_nobody_looks_behind(limit: Policy) -> None:
    (finding,) = found(make(https(), limit), "RG601")
    assert finding.severity == "warning"
    assert finding.place == "fallback"
    assert repr(limit) in finding.message
    assert "proxied()" in finding.remedy


@pytest.mark.parametrize(
    "policies",
    [
        [BY_ADDRESS],
        [https(), proxied(), BY_ADDRESS],
        [https(), BY_HEADER],
        [https(), concurrency_limit(5)],
    ],
)
def test_addresses_that_are_the_clients(policies: list[Policy]) -> None:
    assert found(make(*policies), "RG601") == []


def test_a_header_that_nobody_has_checked() -> None:
    (finding,) = found(make(BY_HEADER), "RG602")
    assert finding.severity == "warning"
    assert "X-Api-Key" in finding.message


def test_a_header_beside_an_address() -> None:
    app = web.Application()
    app.router.add_get("/both", BY_ADDRESS(page))
    app.router.add_get("/exempt", exempt(rate_limit)(page))
    app.router.add_get("/header", BY_HEADER(exempt(rate_limit)(page)))
    routeguard.setup(app, timeout(5), rule("/*", BY_ADDRESS), BY_HEADER)
    (finding,) = found(app, "RG602")
    assert finding.place == f"decorator of {__name__}.page"


def test_pages_that_cannot_read_the_fields() -> None:
    (finding,) = found(make(BY_ADDRESS, cors(PAGES)), "RG603")
    assert finding.severity == "info"
    assert "expose_headers=['RateLimit', 'RateLimit-Policy', 'Retry-After']" in finding.remedy


@pytest.mark.parametrize(
    "policies",
    [
        [cors(PAGES)],
        [BY_ADDRESS, cors(PAGES, expose_headers=["ratelimit", "Retry-After"])],
        [BY_ADDRESS, cors(PAGES, expose_headers="*")],
        [rate_limit("10/second", report_only=True), cors(PAGES)],
    ],
)
def test_pages_that_can_or_have_nothing_to_read(policies: list[Policy]) -> None:
    assert found(make(*policies), "RG603") == []
