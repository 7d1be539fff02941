"""`RateLimit-Policy` and `RateLimit`, read back by another library for structured fields."""

from typing import Any

import http_sf
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from routeguard.configuration import Faults
from routeguard.policies.rate_limit.fields import Fields, read_name
from routeguard.policies.rate_limit.rates import Rate
from routeguard.running.state import State


def parsed(value: str) -> list[tuple[str, dict[str, Any]]]:
    """The names and the parameters of a field, as any client reads them."""
    members: Any = http_sf.parse(value.encode(), tltype="list")
    return [(name, dict(parameters)) for name, parameters in members]


TWO = [Rate(10, 1), Rate(1000, 3600)]


def written(*fields: tuple[Fields, Any], told: str | None = None) -> CIMultiDict[str]:
    """The headers of a response, whose handler may have told of a limit itself."""
    request, response = make_mocked_request("GET", "/"), web.Response()
    if told is not None:
        response.headers["RateLimit"] = told
    state = State(request, answered, (), None)
    for one, counts in fields:
        state.counted = one, counts, state.counted
    for one, _ in fields:
        one.mark()(request, response, state)
    return response.headers


async def answered(request: web.Request) -> web.StreamResponse:
    return web.Response()


def test_one_rate_has_the_limits_name() -> None:
    headers = written((Fields("logins", [Rate(10, 60)]), [(9, 59.2)]))
    assert headers["RateLimit-Policy"] == '"logins";q=10;w=60'
    assert headers["RateLimit"] == '"logins";r=9;t=60'


def test_several_rates_are_told_apart() -> None:
    headers = written((Fields("logins", TWO), [(9, 1.0), (990, 3000.1)]))
    assert parsed(headers["RateLimit-Policy"]) == [
        ("logins 10/second", {"q": 10, "w": 1}),
        ("logins 1000/hour", {"q": 1000, "w": 3600}),
    ]
    assert parsed(headers["RateLimit"]) == [
        ("logins 10/second", {"r": 9, "t": 1}),
        ("logins 1000/hour", {"r": 990, "t": 3001}),
    ]


def test_a_limit_without_a_name_has_its_rates() -> None:
    assert Fields(None, TWO).policy == '"10/second";q=10;w=1, "1000/hour";q=1000;w=3600'


def test_a_refusal_tells_of_the_rates_that_refused() -> None:
    # Retry-After is for these; it may not lie before the end of what is told.
    headers = written((Fields(None, TWO), [(-1, 0.4), (990, 3000.0)]))
    assert headers["RateLimit"] == '"10/second";r=0;t=1'
    assert len(parsed(headers["RateLimit-Policy"])) == 2


def test_statements_add_up_and_keep_their_names_apart() -> None:
    first, second = Fields(None, [Rate(10, 1)]), Fields(None, [Rate(10, 1)])
    headers = written((first, [(9, 1.0)]), (second, [(5, 0.5)]), (Fields("x", TWO), []))
    assert parsed(headers["RateLimit-Policy"]) == [
        ("10/second", {"q": 10, "w": 1}),
        ("10/second (2)", {"q": 10, "w": 1}),
        ("x 10/second", {"q": 10, "w": 1}),
        ("x 1000/hour", {"q": 1000, "w": 3600}),
    ]
    assert parsed(headers["RateLimit"]) == [
        ("10/second", {"r": 9, "t": 1}),
        ("10/second (2)", {"r": 5, "t": 1}),
    ]


def test_where_one_statement_refuses_it_alone_is_told_of() -> None:
    outer, inner = Fields("outer", [Rate(1000, 3600)]), Fields("inner", [Rate(1, 1)])
    headers = written((outer, [(900, 3000.0)]), (inner, [(-1, 0.5)]))
    assert headers["RateLimit"] == '"inner";r=0;t=1'


def test_what_is_not_counted_is_not_told() -> None:
    headers = written((Fields("x", [Rate(1, 1)]), []))
    assert headers["RateLimit-Policy"] == '"x";q=1;w=1'
    assert "RateLimit" not in headers


@pytest.mark.parametrize("rates", [[Rate(10, 60)], TWO])
def test_what_a_handler_has_told_itself_stays(rates: list[Rate]) -> None:
    counts = [(9, 1.0) for _ in rates]
    own, *ours = written((Fields("x", rates), counts), told='"own";r=1;t=2').getall("RateLimit")
    assert own == '"own";r=1;t=2'
    assert len(ours) == 1
    assert len(parsed(ours[0])) == len(rates)


def test_the_seconds_are_never_more_than_the_window() -> None:
    headers = written((Fields("x", [Rate(2000, 60)]), [(1999, 60.6)]))
    assert headers["RateLimit"] == '"x";r=1999;t=60'


@pytest.mark.parametrize("name", ["", 'a"b', "a\\b", "é", "a\n", "x" * 65, 3, b"x"])
def test_what_is_no_name(name: object) -> None:
    faults = Faults("rate_limit(...)")
    read_name(name, faults)
    assert faults


names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'))
rates = st.lists(st.builds(Rate, st.integers(1, 10**15 - 1), st.integers(1, 10**7)), min_size=1)


@given(names.filter(lambda name: 0 < len(name) <= 64), rates)
def test_whatever_is_written_is_a_list_of_strings(name: str, rates: list[Rate]) -> None:
    faults = Faults("rate_limit(...)")
    assert read_name(name, faults) == name
    headers = written((Fields(name, rates), [(rate.limit - 1, 0.01) for rate in rates]))
    policies, limits = parsed(headers["RateLimit-Policy"]), parsed(headers["RateLimit"])
    assert [one["q"] for _, one in policies] == [rate.limit for rate in rates]
    assert [one["w"] for _, one in policies] == [rate.window for rate in rates]
    assert [name for name, _ in policies] == [name for name, _ in limits]
    assert [one["r"] for _, one in limits] == [rate.limit - 1 for rate in rates]
