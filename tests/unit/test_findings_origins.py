"""RG201 to RG204: origins that are trusted with more than they deserve."""

import re

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import routeguard
from routeguard import Finding, check, cors, csrf, explain, rule, timeout
from routeguard.policies.cors.regexes import admitted, stranger
from routeguard.policy import Policy
from tests.support.extent import some


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


def make(*policies: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/orders", page)
    routeguard.setup(app, timeout(5), *policies)
    return app


def found(app: web.Application, code: str) -> list[Finding]:
    return [finding for finding in check(app) if finding.code == code]


def credentialed(*origins: str | re.Pattern[str]) -> cors:
    return cors(list(origins), allow_credentials=True)


# --- RG201 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example.com",
        "http://*.example.com",
        "http://app.example.com:8080",
        "http://intranet:*",
        "http://10.0.0.1",
        "http://[2001:db8::1]:8080",
        "http://localhost.example.com",
        re.compile(r"https?://app\.example\.com"),
    ],
    ids=str,
)
def test_plain_http_with_credentials_is_an_error(origin: str | re.Pattern[str]) -> None:
    (finding,) = found(make(credentialed("https://ok.example.com", origin)), "RG201")

    assert finding.severity == "error"
    assert "http://" in finding.message
    assert "https://ok" not in finding.message


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:*",
        "http://localhost:3000",
        "http://*.localhost",
        "http://localhost.",
        "http://*.localhost.:3000",
        "http://127.0.0.1:*",
        "http://127.8.0.1",
        "http://[::1]:3000",
        re.compile(r"https://\w+\.example\.com"),
        re.compile(r"http://localhost:\d+"),
    ],
    ids=str,
)
def test_https_and_loopback_are_fine(origin: str | re.Pattern[str]) -> None:
    assert found(make(credentialed(origin)), "RG201") == []


def test_without_credentials_nothing_is_at_stake() -> None:
    assert check(make(cors(["http://app.example.com", "https://*.github.io"]))) == ()


def test_csrf_gives_plain_http_as_much() -> None:
    (finding,) = found(make(csrf(trusted_origins="http://app.example.com")), "RG201")

    assert finding.message.startswith("csrf trusts http://app.example.com")


def test_the_place_of_an_origin_is_that_of_its_statement() -> None:
    app = web.Application()
    bad = credentialed("http://app.example.com")
    app.router.add_get("/x", credentialed("http://app.example.com")(page))
    app.router.add_get("/y", page)
    routeguard.setup(app, rule("/y", bad), bad)

    assert [one.place for one in found(app, "RG201")] == [
        'rule 1 "/y"',
        "fallback",
        f"decorator of {__name__}.page",
    ]


# --- RG202 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "https://*.github.io",
        "https://*.co.uk",
        "https://*.com",
        "https://*.vercel.app:*",
        "https://*.s3.amazonaws.com",
        "https://*.github.io:8443",
        "https://*.github.io.",
        "https://*.co.uk.:8443",
    ],
)
def test_a_wildcard_under_a_public_suffix_is_an_error(origin: str) -> None:
    (finding,) = found(make(credentialed("https://*.example.com", origin)), "RG202")

    assert finding.severity == "error"
    assert f"trusts {origin}:" in finding.message


@pytest.mark.parametrize(
    "origin",
    [
        "https://github.io",
        "https://shop.github.io",
        "https://*.shop.github.io",
        "https://*.shop.github.io.",
        "https://*.example.co.uk",
        "https://*.internal",
        "http://*.localhost:*",
    ],
)
def test_a_wildcard_under_a_domain_of_ones_own_is_fine(origin: str) -> None:
    assert found(make(credentialed(origin)), "RG202") == []


def test_csrf_may_not_trust_a_public_suffix_either() -> None:
    (finding,) = found(make(csrf(trusted_origins=["https://*.github.io"])), "RG202")

    assert finding.message.startswith("csrf trusts https://*.github.io")


# --- RG203 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regex", "other"),
    [
        (r"https://app.example\.com", "https://appxexample.com"),
        (r"https://app.example.com", "https://appxexample.com"),
        (r"https://.*example\.com", "https://evilexample.com"),
        (r"https://\S+example\.com", "https://evilexample.com"),
        (r"https://example\.com.*", "https://example.com.evil.com"),
        (r"https://.*", "https://evil.com"),
        (r".*", "https://evil.com"),
        (r"https?://(www|app)\.example\.com.*", "http://www.example.com.evil.com"),
        (r"https://shop-[a-z0-9-]+\.vercel\.app", "https://shop-evil.vercel.app"),
        (r"https://(?:app\.example\.com|.*example\.org)", "https://evilexample.org"),
        (r"https://example\.[a-z]{2,3}", "https://example.net"),
        (r"https://shop-[a-z]{7}\.vercel\.app", "https://shop-bbbbbbb.vercel.app"),
    ],
)
def test_a_regex_that_admits_another_owner_is_shown_an_example(regex: str, other: str) -> None:
    compiled = re.compile(regex)
    (finding,) = found(make(credentialed(compiled)), "RG203")

    assert other in finding.message
    assert compiled.fullmatch(other)
    assert finding.severity == ("warning" if "{" in regex else "error")


@pytest.mark.parametrize(
    "regex",
    [
        r"https://.*\.example\.com",
        r"https://(.+\.)?example\.com",
        r"https://a.b\.example\.com",
        r"https://example.com",
        r"https://(?!evil).*\.example\.com",
    ],
)
def test_loose_dots_that_cannot_be_proven_harmful_are_a_warning(regex: str) -> None:
    (finding,) = found(make(credentialed(re.compile(regex))), "RG203")

    assert finding.severity == "warning"


@pytest.mark.parametrize(
    "regex",
    [
        r"https://app\.example\.com",
        r"^https://app\.example\.com$",
        r"https://(www\.)?example\.com",
        r"https://(?:a|b)\.example\.(?:com|org)",
        r"(https://a\.example\.com|https://b\.example\.org)",
        r"https://[a-z]+\.example\.com",
        r"https://[^./]+\.example\.com(:\d+)?",
        r"https://tenant\d+\.example\.co\.uk",
        r"https://[a-z]{2}\.example\.com",
        r"chrome-extension://[a-p]{32}",
        r"http://localhost:\d+",
    ],
)
def test_a_regex_that_means_what_it_says_is_fine(regex: str) -> None:
    assert found(make(credentialed(re.compile(regex))), "RG203") == []


def test_without_credentials_a_loose_regex_is_only_mentioned() -> None:
    (finding,) = found(make(cors(re.compile(r"https://.*example\.com"))), "RG203")
    assert finding.severity == "info"

    assert found(make(cors(re.compile(r"https://.*\.example\.com"))), "RG203") == []


PIECES = st.sampled_from(
    r"https? :// a example \. . com .* [a-z]+ \w ( ) (?: | ? * + {2} {0,1} \d+ [^/] $ ^ (?!x) \1 "
    r"(?P<n> é".split()
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_every_example_of_a_regex_is_one_that_cors_allows(text: str) -> None:
    try:
        regex = re.compile(text)
    except re.error:
        return
    app = make(cors(regex))
    origins = [*admitted(regex), *(stranger(regex) or ())]
    for origin in origins[:20]:
        assert explain(app, "GET", "/", origin=origin).cors == "allowed"
    check(app)


def test_many_optional_parts_are_read_in_bounded_time() -> None:
    count = some(30, brief=10)
    optional, repeated = r"(a|b)?" * 2 * count, r"[a-z]*" * count
    regex = re.compile(rf"https://{optional}{repeated}\.example\.com")

    assert 0 < len(admitted(regex)) < 10_000


# --- RG204 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sharing", "guarding", "refused"),
    [
        (cors("https://app.example.com"), csrf(), "https://app.example.com"),
        (cors("https://*.example.com"), csrf(trusted_origins="https://app.example.com"), "https:"),
        (cors("http://localhost:*"), csrf(trusted_origins="https://localhost:*"), "http://"),
        (cors("*"), csrf(trusted_origins="https://app.example.com"), "every origin"),
        (cors(re.compile(r"https://\w+\.example\.com")), csrf(), "re.compile("),
        (cors(lambda origin: True), csrf(), "what its predicate admits"),
    ],
)
def test_origins_that_csrf_refuses_are_a_warning(
    sharing: cors, guarding: csrf, refused: str
) -> None:
    (finding,) = found(make(sharing, guarding), "RG204")

    assert finding.severity == "warning"
    assert finding.place.startswith("POST /orders")
    assert f"cors (fallback) allows {refused}" in finding.message


@pytest.mark.parametrize(
    ("sharing", "guarding"),
    [
        (
            cors("https://app.example.com"),
            csrf(trusted_origins=["https://app.example.com", "https://b.example.com"]),
        ),
        (cors("https://app.example.com"), csrf(trusted_origins="https://*.example.com")),
        (cors("https://*.a.example.com:*"), csrf(trusted_origins="https://*.example.com:*")),
        (cors(lambda origin: True), csrf(trusted_origins="https://app.example.com")),
    ],
)
def test_origins_that_csrf_trusts_are_fine(sharing: cors, guarding: csrf) -> None:
    assert found(make(sharing, guarding), "RG204") == []


def test_reading_is_not_what_csrf_refuses() -> None:
    app = web.Application()
    app.router.add_get("/", csrf()(page))
    app.router.add_post("/orders", page)
    routeguard.setup(app, timeout(5), cors("https://app.example.com"))

    assert found(app, "RG204") == []


def test_what_is_found_is_what_explain_says_of_the_request() -> None:
    app = make(cors("https://app.example.com"), csrf())

    (note, _) = explain(app, "POST", "/orders", origin="https://app.example.com").notes
    assert note.startswith("csrf refuses it with 403")
    assert len(found(app, "RG204")) == 1
