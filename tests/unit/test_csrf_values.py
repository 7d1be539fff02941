"""`csrf` as a value, and what `explain` says of it."""

from typing import Any

import pytest
from aiohttp import web
from yarl import URL

import routeguard
from routeguard import ConfigError, Explanation, cors, csrf, explain


@pytest.mark.parametrize(
    ("trusted", "said"),
    [
        ("*", "would let everyone in"),
        (["https://a.example", "*"], "would let everyone in"),
        ("null", "would let everyone in"),
        (["https://*"], "would admit every host"),
        (["a.example"], r"no scheme.*: write `https://a\.example`"),
        (["https://a.example/"], r"write `https://a\.example`"),
        (["https://a.example/path"], "has a path"),
        (["https://a.example:443"], "default port"),
        (["http://a.example:80"], "default port"),
        (["https://user@a.example"], "user name"),
        (["https://bücher.example"], "Punycode"),
        (["https://a.*.example"], "whole labels at the left"),
        (["file:///tmp"], "null"),
        ([""], "empty"),
        ([URL("/path")], "no absolute URL"),
        ([URL("https://a.example/path")], "more than an origin"),
        ([None], "no origin"),
        ([5], "no origin"),
        ([lambda origin: True], "no origin"),
        (5, "trusted_origins"),
        (None, "trusted_origins"),
    ],
)
def test_what_is_no_origin_is_refused(trusted: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        csrf(trusted_origins=trusted)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        csrf(trusted_origins=["*", "null", "a.example"])
    assert len(caught.value.faults) == 3


def test_equality_and_repr() -> None:
    assert csrf() == csrf(trusted_origins=[])
    assert csrf(trusted_origins="https://A.example") == csrf(
        trusted_origins=[URL("https://a.example"), "https://a.example"]
    )
    assert csrf(trusted_origins="https://a.example") != csrf()
    assert len({csrf(), csrf(), csrf(trusted_origins="https://a.example")}) == 2
    assert repr(csrf()) == "csrf()"
    assert repr(csrf(trusted_origins="https://a.example")) == (
        "csrf(trusted_origins=['https://a.example'])"
    )


# --- explain --------------------------------------------------------------------------------------

PAGE = "https://page.example"


async def pay(request: web.Request) -> web.Response:
    return web.Response()


def explained(
    *policies: routeguard.Policy, method: str = "POST", origin: str | None = PAGE, **headers: str
) -> Explanation:
    app = web.Application()
    app.router.add_route("*", "/pay", pay)
    routeguard.setup(app, *policies)
    return explain(
        app,
        method,
        "/pay",
        origin=origin,
        host="api.example",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def test_an_origin_that_cors_allows_and_csrf_does_not_is_noted() -> None:
    told = explained(cors(PAGE, allow_credentials=True), csrf())
    assert told.cors == "allowed"
    refused, disagreement = told.notes
    assert refused.startswith("csrf refuses it with 403") and PAGE in refused
    assert "cors allows this origin and csrf does not" in disagreement
    assert "trusted_origins" in disagreement
    assert disagreement in str(told)


def test_where_both_allow_or_both_refuse_nothing_disagrees() -> None:
    assert explained(cors(PAGE), csrf(trusted_origins=PAGE)).notes == ()
    both_refuse = explained(cors("https://other.example"), csrf())
    assert len(both_refuse.notes) == 1 and "403" in both_refuse.notes[0]
    assert explained(cors(PAGE)).notes == ()


def test_safe_methods_and_own_requests_have_no_note() -> None:
    assert explained(cors(PAGE), csrf(), method="GET").notes == ()
    assert explained(cors(PAGE), csrf(), origin=None).notes == ()
    assert explained(csrf(), origin="https://api.example").notes == ()


def test_headers_are_taken_into_account() -> None:
    assert "Sec-Fetch-Site" in explained(csrf(), origin=None, Sec_Fetch_Site="cross-site").notes[0]
    assert explained(csrf(), Sec_Fetch_Site="same-origin").notes == ()
    assert "403" in explained(csrf(), method="GET", Upgrade="websocket").notes[0]
