"""RG205 and RG206: header names and ages that no browser acts upon."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

import routeguard
from routeguard import Finding, check, cors
from routeguard.policies.cors.fields import DEFAULT_ALLOW_HEADERS

A = "https://a.example"

# Fetch, forbidden request-header, as the standard lists them.
FORBIDDEN = """
    Accept-Charset Accept-Encoding Access-Control-Request-Headers Access-Control-Request-Method
    Connection Content-Length Cookie Cookie2 Date DNT Expect Host Keep-Alive Origin Referer
    Set-Cookie TE Trailer Transfer-Encoding Upgrade Via
    Proxy-Authorization proxy-anything Sec-Fetch-Site SEC-ANYTHING
""".split()
ORDINARY = """
    Accept Accept-Language Authorization Cache-Control Content-Type If-None-Match Range User-Agent
    X-Requested-With X-CSRFToken X-Api-Key Secret Proxied Cookies Viable X-Forwarded-For
""".split()


def found(*policies: cors) -> list[Finding]:
    async def page(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", page)
    routeguard.setup(app, *policies)
    return list(check(app))


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_header_that_no_page_can_set_is_a_warning(name: str) -> None:
    (finding,) = found(cors(A, allow_headers=["x-key", name]))
    assert (finding.code, finding.severity, finding.place) == ("RG205", "warning", "fallback")
    assert f"cors lists {name.lower()} in allow_headers" in finding.message


@pytest.mark.parametrize("name", [*ORDINARY, "*"])
def test_others_are_fine(name: str) -> None:
    assert found(cors(A, allow_headers=["content-type", name])) == []


def test_the_default_list_is_fine_and_so_is_more_beside_it() -> None:
    assert found(cors(A)) == []
    assert found(cors(A, allow_headers=[*DEFAULT_ALLOW_HEADERS, "x-key"])) == []
    (finding,) = found(cors(A, allow_headers=[*DEFAULT_ALLOW_HEADERS, "x-key", "host"]))
    assert "lists host in" in finding.message


def test_several_are_one_finding() -> None:
    (finding,) = found(cors(A, allow_headers=["cookie", "host", "te", "via", "x-key"]))
    assert "cookie, host, te and 1 more" in finding.message
    assert "allow_credentials" in finding.remedy


@pytest.mark.parametrize(
    ("max_age", "codes"),
    [
        (None, []),
        (0, []),
        (600, []),
        (86_400, []),
        (timedelta(days=1), []),
        (86_400.5, ["RG206"]),
        (86_401, ["RG206"]),
        (timedelta(days=7), ["RG206"]),
    ],
)
def test_an_age_beyond_a_day_is_an_info(max_age: Any, codes: list[str]) -> None:
    findings = found(cors(A, max_age=max_age))
    assert [one.code for one in findings] == codes
    for finding in findings:
        assert finding.severity == "info"
        assert "write max_age=86400 or less" in finding.remedy


def test_every_place_is_asked() -> None:
    bad = cors(A, allow_headers=["cookie"], max_age=100_000)

    @bad
    async def page(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", page)
    routeguard.setup(app, routeguard.rule("/*", bad), bad)
    for code in ("RG205", "RG206"):
        places = [one.place for one in check(app) if one.code == code]
        assert len(places) == 3 and places[:2] == ['rule 1 "/*"', "fallback"]
