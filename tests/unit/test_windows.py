"""The moving window in memory, against a list of all times."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard.policies.rate_limit.rates import Rate
from routeguard.policies.rate_limit.window import EXACT_UP_TO, PARTS, Windows

TICK = 1 / 64  # sums of ticks are exact as floats


class Oracle:
    """Keeps for ever how many requests were let through at each time."""

    def __init__(self, rates: Sequence[Rate]) -> None:
        self.rates = rates
        self.passed: Counter[Fraction] = Counter()

    def in_window(self, rate: Rate, now: Fraction, longer: Fraction = Fraction(1)) -> int:
        begin = now - rate.window * longer
        return sum(count for time, count in self.passed.items() if time > begin)

    def passes(self, now: Fraction, longer: Fraction = Fraction(1)) -> bool:
        return all(self.in_window(rate, now, longer) < rate.limit for rate in self.rates)


exact_rates = st.lists(
    st.builds(Rate, st.integers(1, 12), st.integers(1, 20)), min_size=1, max_size=3
)
# In ticks; whole seconds often, so that requests come in the very moment in which others leave.
gaps = st.lists(
    st.one_of(st.integers(0, 200), st.sampled_from([0, 64, 128, 640])), min_size=1, max_size=60
)


@given(exact_rates, gaps)
def test_exact_rates_decide_as_a_list_of_all_times_does(rates: list[Rate], gaps: list[int]) -> None:
    windows, oracle = Windows(rates), Oracle(rates)
    now = Fraction(0)
    for gap in gaps:
        now += Fraction(gap, 64)
        passes = oracle.passes(now)
        before = [oracle.in_window(rate, now) for rate in rates]
        wait, counts = windows.hit("key", float(now))
        assert (wait == 0.0) == passes
        for rate, used, (left, _) in zip(rates, before, counts, strict=True):
            expected = rate.limit - used
            assert left == (expected - 1 if passes else expected or -1)
        if passes:
            oracle.passed[now] += 1
        else:
            # One instant before, the request would be refused still; then it passes.
            again = now + Fraction(wait)
            assert oracle.passes(again)
            assert not oracle.passes(again - Fraction(1, 64))


@given(exact_rates, gaps)
def test_the_next_place_is_told_of(rates: list[Rate], gaps: list[int]) -> None:
    windows, oracle = Windows(rates), Oracle(rates)
    now = Fraction(0)
    for gap in gaps:
        now += Fraction(gap, 64)
        wait, counts = windows.hit("key", float(now))
        if wait == 0.0:
            oracle.passed[now] += 1
        for rate, (_, seconds) in zip(rates, counts, strict=True):
            inside = [time for time in oracle.passed if time > now - rate.window]
            expected = inside[0] + rate.window - now if inside else Fraction(0)
            assert Fraction(seconds) == expected


coarse_rates = st.builds(Rate, st.integers(EXACT_UP_TO + 1, EXACT_UP_TO + 40), st.integers(1, 7200))
# Many at one moment, and gaps of any length between.
bursts = st.lists(
    st.tuples(st.integers(1, 700), st.fractions(0, 2, max_denominator=512)), min_size=1, max_size=12
)


@given(coarse_rates, bursts)
def test_rates_in_parts_are_never_exceeded_and_hardly_late(
    rate: Rate, bursts: list[tuple[int, Fraction]]
) -> None:
    windows, oracle = Windows([rate]), Oracle([rate])
    now = Fraction(1000)
    for count, gap in bursts:
        now = Fraction(float(now + gap * rate.window))
        for _ in range(count):
            wait, _ = windows.hit("key", float(now))
            if wait == 0.0:
                assert oracle.passes(now)
                oracle.passed[now] += 1
            else:
                late = 1 + Fraction(1, PARTS) + Fraction(1, 10**9)
                assert not oracle.passes(now, late)


def test_what_was_refused_is_told_when_to_come_again_in_parts() -> None:
    windows = Windows([Rate(2000, 100)])
    assert all(windows.hit("key", 10.5)[0] == 0.0 for _ in range(2000))
    wait, _ = windows.hit("key", 10.5)
    assert 100 <= wait <= 101
    assert windows.hit("key", 10.5 + wait - TICK)[0] > 0.0
    assert windows.hit("key", 10.5 + wait)[0] == 0.0


def test_what_is_refused_consumes_nothing_of_any_rate() -> None:
    windows = Windows([Rate(1, 1), Rate(3, 60)])
    assert windows.hit("key", 0.0)[0] == 0.0
    for _ in range(100):
        assert windows.hit("key", 0.5)[0] == 0.5
    assert windows.hit("key", 1.0) == (0.0, ((0, 1.0), (1, 59.0)))
    assert windows.hit("key", 2.0) == (0.0, ((0, 1.0), (0, 58.0)))
    assert windows.hit("key", 3.0) == (57.0, ((1, 0.0), (-1, 57.0)))


def test_each_key_counts_by_itself() -> None:
    windows = Windows([Rate(1, 1)])
    assert windows.hit("a", 0.0)[0] == 0.0
    assert windows.hit("b", 0.0)[0] == 0.0
    assert windows.hit("a", 0.5)[0] == 0.5


@pytest.mark.parametrize("limit", [3, EXACT_UP_TO + 1])
def test_keys_are_bounded_and_one_in_use_is_never_forgotten(limit: int) -> None:
    windows = Windows([Rate(limit, 3600)], max_keys=320)
    for number in range(10_000):
        _, ((left, _),) = windows.hit("in use", number * 0.3)
        assert left == max(-1, limit - number - 1)  # refused it may be, but not forgotten
        windows.hit(f"key {number}", number * 0.3)
        assert len(windows) <= 320
    assert len(windows) >= 160


@pytest.mark.parametrize("limit", [3, EXACT_UP_TO + 1])
def test_keys_that_count_nothing_any_more_are_forgotten(limit: int) -> None:
    windows = Windows([Rate(limit, 10)], max_keys=100_000)
    for number in range(20_000):
        windows.hit(f"key {number}", number * 0.1)  # a hundred of them in a window
    assert len(windows) < 400


@pytest.mark.parametrize("limit", [3, EXACT_UP_TO + 1])
def test_keys_are_forgotten_a_few_at_a_time(limit: int) -> None:
    windows = Windows([Rate(limit, 10)], max_keys=400)
    before = 0
    for number in range(2000):
        # More keys than a generation holds; then nobody comes for a while, twice in a row.
        now = (number // 410 + (number + 390) // 410) * 100.0
        for key in (number, number - number % 3):
            windows.hit(f"key {key}", now)
            assert before - 2 <= len(windows) <= 400
            before = len(windows)


def test_memory_stays_within_its_bound_whatever_is_counted() -> None:
    windows = Windows([Rate(10**9, 60)], max_keys=32)
    for number in range(100_000):
        windows.hit("key", number * 0.01)
    (kept,) = windows._tables[0]._current.values()
    assert len(kept) <= 2 * (PARTS + 1) + 1
