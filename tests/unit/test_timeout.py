"""`timeout` as a value, and what is no time."""

import copy
import pickle
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeguard import ConfigError, HandlerTimeout, timeout


def test_equal_times_make_equal_policies() -> None:
    assert timeout(90) == timeout(90.0) == timeout(timedelta(minutes=1.5))
    assert hash(timeout(90)) == hash(timeout(timedelta(minutes=1.5)))
    assert timeout(90) != timeout(None, total=90)
    assert timeout(90, idle=5) != timeout(90, idle=6)
    assert len({timeout(1), timeout(1.0), timeout(2), timeout(None)}) == 3


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (timeout(5), "timeout(5)"),
        (timeout(0.25), "timeout(0.25)"),
        (timeout(timedelta(minutes=2)), "timeout(120)"),
        (timeout(None), "timeout(None)"),
        (timeout(5, idle=30, total=1.5), "timeout(5, idle=30, total=1.5)"),
        (timeout(None, total=86_400), "timeout(None, total=86400)"),
        (timeout(1_000_000_000), "timeout(1000000000)"),
    ],
)
def test_the_repr_is_what_one_would_write(policy: timeout, shown: str) -> None:
    assert repr(policy) == shown
    assert eval(shown, {"timeout": timeout}) == policy


def test_policies_are_immutable_and_can_be_copied() -> None:
    policy = timeout(5, idle=30, total=60)
    with pytest.raises(AttributeError):
        policy.seconds = 6  # type: ignore[misc]
    assert copy.deepcopy(policy) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy


NO_TIMES = [
    0,
    -1,
    0.0,
    -0.0,
    float("nan"),
    float("inf"),
    float("-inf"),
    True,
    False,
    "5",
    b"5",
    [5],
    5j,
    Decimal(5),
    Fraction(1, 2),
    timedelta(0),
    timedelta(seconds=-1),
    10**400,
    object(),
]


@pytest.mark.parametrize("value", NO_TIMES, ids=repr)
@pytest.mark.parametrize("name", ["seconds", "idle", "total"])
def test_what_is_no_time_is_refused_by_name(name: str, value: object) -> None:
    arguments: dict[str, object] = {"seconds": 5}
    arguments[name] = value
    with pytest.raises(ConfigError) as caught:
        timeout(**arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert f"{name}=" in message
    assert repr(value)[:20] in message
    assert "timedelta" in message  # the remedy


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        timeout(0, idle=-1, total=True)
    assert all(name in str(caught.value) for name in ("seconds=0", "idle=-1", "total=True"))


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.timedeltas(),
        st.text(max_size=3),
        st.decimals(),
        st.complex_numbers(),
    )
)
def test_no_value_but_a_positive_finite_time_passes(value: object) -> None:
    if value is None:
        expected = True
    elif isinstance(value, timedelta):
        expected = value > timedelta(0)
    elif type(value) is int:
        expected = 0 < value < 2**1023
    elif type(value) is float:
        expected = 0 < value <= 1.7976931348623157e308
    else:
        expected = False
    try:
        policy = timeout(value)  # type: ignore[arg-type]
    except ConfigError:
        assert not expected
    else:
        assert expected
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        assert policy.seconds == (None if seconds is None else float(seconds))  # type: ignore[arg-type]


def test_a_decorator_without_seconds_says_what_to_write() -> None:
    async def report(request: object) -> None: ...

    with pytest.raises(ConfigError, match=r"report: write @timeout\(5\)"):
        timeout(report)  # type: ignore[arg-type]


@pytest.mark.parametrize("bound", ["start", "idle", "total", "limit"])
def test_the_exception_says_which_bound_was_passed(bound: str) -> None:
    error = HandlerTimeout(2.5, bound)  # type: ignore[arg-type]
    assert isinstance(error, TimeoutError)
    assert (error.seconds, error.bound, error.status) == (2.5, bound, 504)
    assert "2.5 s" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.seconds, again.bound, str(again)) == (2.5, bound, str(error))


def test_each_bound_has_words_of_its_own() -> None:
    bounds = ("start", "idle", "total", "limit")
    assert len({str(HandlerTimeout(1, bound)) for bound in bounds}) == len(bounds)  # type: ignore[arg-type]
