"""Rates as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard.configuration import Faults
from routeguard.policies.rate_limit.rates import Rate, read_rates


def read(text: object) -> tuple[list[tuple[int, int]], list[str]]:
    faults = Faults("rate_limit(...)")
    rates = read_rates(text, faults)
    said: list[str] = []
    try:
        faults.raise_any()
    except ValueError as error:
        said = list(error.faults)  # type: ignore[attr-defined]
    return [(rate.limit, rate.window) for rate in rates], said


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("10/second", [(10, 1)]),
        ("100/minute", [(100, 60)]),
        ("5/hour", [(5, 3600)]),
        ("1/day", [(1, 86_400)]),
        ("100/5 minutes", [(100, 300)]),
        ("100/5minutes", [(100, 300)]),
        (" 100 / 15  Minutes ", [(100, 900)]),
        ("1000/hour; 10/second", [(10, 1), (1000, 3600)]),
        ("10/seconds", [(10, 1)]),
        ("1000000/366 days", [(1_000_000, 366 * 86_400)]),
    ],
)
def test_what_is_a_rate(text: str, rates: list[tuple[int, int]]) -> None:
    assert read(text) == (rates, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a rate is missing"),
        ("10/second;", "a rate is missing"),
        (10, "is no text"),
        (None, "is no text"),
        ("10", "is no rate"),
        ("10/", "is no rate"),
        ("/second", "is no rate"),
        ("-1/second", "is no rate"),
        ("1.5/second", "is no rate"),
        ("10/second, 5/hour", "is no rate"),
        ("10 per second", "is no rate"),
        ("١٠/second", "is no rate"),
        ("10/fortnight", "the unit 'fortnight' is none of second, minute, hour, day"),
        ("10/s", "the unit 's' is none of second, minute, hour, day"),
        ("0/second", "lets nobody through"),
        ("10/0 seconds", "a window of no length"),
        ("10/367 days", "more than 366 days"),
        ("1" * 16 + "/hour", "more than 15 digits"),
        ("1" * 10_000 + "/hour", "more than 15 digits"),
        ("1/" + "1" * 10_000 + " hours", "more than 366 days"),
        ("10/second; 20/second", "have one window: keep the lower"),
        ("10/minute; 10/60 seconds", "have one window: keep the lower"),
        ("100/second; 50/hour", "100/second is never reached beside 50/hour"),
        ("10/second; 600/minute", "600/minute is never reached beside 10/second"),
    ],
)
def test_what_is_none(text: object, said: str) -> None:
    _, faults = read(text)
    assert len(faults) == 1
    assert said in faults[0]


def test_all_faults_are_told_at_once() -> None:
    _, faults = read("0/second; ten/hour; 5/week")
    assert len(faults) == 3


def test_a_rate_that_binds_now_and_then_is_none_that_is_never_reached() -> None:
    # Ten in a second, then ten in the next: 11 in two seconds is stricter. 19 in 1.5 s is too.
    assert read("10/second; 11/2 seconds")[1] == []
    assert read("10/second; 599/minute")[1] == []


@given(st.integers(1, 10**15 - 1), st.integers(1, 366 * 86_400))
def test_a_rate_reads_as_it_is_written(limit: int, window: int) -> None:
    text = str(Rate(limit, window))
    assert read(text) == ([(limit, window)], [])


@given(st.text())
def test_no_text_raises(text: str) -> None:
    rates, faults = read(text)
    assert rates or faults
