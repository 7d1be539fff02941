"""Cancellation under a deadline: that of `asyncio.timeout`, to the letter."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from routeguard import Policy, errors, timeout, use
from tests.support.asking import asked
from tests.support.extent import some
from tests.support.virtual import run_virtually
from tests.unit.virtual.schedules import (
    NOTHING_PENDS,
    CancelSelf,
    Fail,
    Finally,
    Group,
    Nested,
    Script,
    Sleep,
    Swallow,
    observe,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def passed_on(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


# Few, small numbers, so that whatever can happen at the same instant often does.
instants = st.integers(1, 6).map(float)
fails = st.sampled_from([ValueError, TimeoutError])
simple = st.one_of(st.just(Sleep(0)), instants.map(Sleep), fails.map(Fail), st.just(CancelSelf()))


def nested(steps: "st.SearchStrategy[object]") -> "st.SearchStrategy[object]":
    scripts = st.lists(steps, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Nested, instants, scripts, st.booleans()),
        st.builds(Swallow, scripts, st.booleans(), scripts),
        st.builds(Finally, scripts, scripts),
        st.builds(Group, st.lists(scripts, min_size=1, max_size=2).map(tuple)),
    )


scripts = st.lists(st.recursive(simple, nested, max_leaves=8), max_size=4).map(tuple)


@settings(max_examples=max(some(400, brief=100), settings().max_examples))
@given(
    script=scripts,
    seconds=instants,
    cancelled_at=st.lists(st.integers(0, 6).map(float), max_size=2),
    entered_with=st.integers(0, 2),
)
def test_a_deadline_is_asyncio_timeout_to_the_letter(
    script: Script, seconds: float, cancelled_at: list[float], entered_with: int
) -> None:
    seen = run_virtually(lambda loop: observe(loop, script, seconds, cancelled_at, entered_with))
    assert seen["/ours/"] == seen["/theirs/"]


FOREVER = Sleep(100)

CASES: dict[str, tuple[Script, list[float], str, float]] = {
    # what the handler does; outer cancellations; how it must end, and when, under a timeout of 3
    "in time": ((Sleep(2),), [], "returned", 2),
    "too late": ((FOREVER,), [], "TimeoutError", 3),
    "ends at the very instant": ((Sleep(3),), [], "TimeoutError", 3),
    "an error before": ((Sleep(1), Fail(ValueError)), [], "ValueError", 1),
    "a timeout of its own before": ((Sleep(1), Fail(TimeoutError)), [], "TimeoutError", 1),
    "an error while being cancelled": (
        (Finally((FOREVER,), (Fail(ValueError),)),),
        [],
        "ValueError",
        3,
    ),
    "a nested timeout, shorter, caught": (
        (Nested(1, (FOREVER,), caught=True), Sleep(1)),
        [],
        "returned",
        2,
    ),
    "a nested timeout, shorter, passed on": (
        (Nested(1, (FOREVER,), caught=False),),
        [],
        "InnerTimeout",
        1,
    ),
    "a nested timeout, longer": ((Nested(5, (FOREVER,), caught=True),), [], "TimeoutError", 3),
    "a nested timeout, as long": ((Nested(3, (FOREVER,), caught=True),), [], "TimeoutError", 3),
    "a nested timeout in a finally block": (
        (Finally((FOREVER,), (Nested(1, (FOREVER,), caught=True),)),),
        [],
        "TimeoutError",
        4,
    ),
    "an outer cancellation before": ((FOREVER,), [2], "CancelledError", 2),
    "an outer cancellation at the same instant": ((FOREVER,), [3], "CancelledError", 3),
    "an outer cancellation during a finally block": (
        (Finally((FOREVER,), (Sleep(5),)),),
        [4],
        "CancelledError",
        4,
    ),
    "two outer cancellations": ((Finally((FOREVER,), (Sleep(2),)),), [1, 2], "CancelledError", 2),
    "a cancellation of its own": ((CancelSelf(), FOREVER), [], "CancelledError", 0),
    "our cancellation ignored": ((Swallow((FOREVER,), False, (Sleep(2),)),), [], "returned", 5),
    "our cancellation ignored and taken back": (
        (Swallow((FOREVER,), True, (Sleep(2),)),),
        [],
        "returned",
        5,
    ),
    "ours ignored, then an outer one": (
        (Swallow((FOREVER,), False, (FOREVER,)),),
        [4],
        "CancelledError",
        4,
    ),
    "an outer one ignored, then ours": (
        (Swallow((FOREVER,), False, (FOREVER,)),),
        [1],
        "CancelledError",
        3,
    ),
    "an outer one taken back, then ours": (
        (Swallow((FOREVER,), True, (FOREVER,)),),
        [1],
        "TimeoutError",
        3,
    ),
    "a long finally block": ((Finally((FOREVER,), (Sleep(4),)),), [], "TimeoutError", 7),
    "a task group": ((Group(((FOREVER,), (FOREVER,))),), [], "TimeoutError", 3),
    "a child that fails at the same instant": (
        (Group(((Sleep(3), Fail(ValueError)), (FOREVER,))),),
        [],
        "TimeoutError",
        3,
    ),
    "a child that fails while being cancelled": (
        (Group(((Finally((FOREVER,), (Fail(ValueError),)),), (FOREVER,))),),
        [],
        "group(ValueError)",
        3,
    ),
    "a child with a timeout of its own": (
        (Group(((Nested(1, (FOREVER,), caught=False),), (FOREVER,))),),
        [],
        "group(InnerTimeout)",
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cancellation_under_a_deadline(case: str) -> None:
    script, cancelled_at, outcome, ended = CASES[case]
    seen = run_virtually(lambda loop: observe(loop, script, 3, cancelled_at))
    assert (seen["/ours/"].outcome, seen["/ours/"].ended) == (outcome, ended)
    assert seen["/ours/"] == seen["/theirs/"]


@pytest.mark.parametrize("entered_with", [1, 2])
def test_cancellations_swallowed_before_the_deadline_began_are_not_its_own(
    entered_with: int,
) -> None:
    """An old-style timeout outside, which never calls `uncancel`, must not undo this one."""
    seen = run_virtually(lambda loop: observe(loop, (FOREVER,), 3, [], entered_with))
    assert (seen["/ours/"].outcome, seen["/ours/"].ended) == ("TimeoutError", 3)
    assert seen["/ours/"].cancelling == entered_with
    assert seen["/ours/"] == seen["/theirs/"]


def test_a_deadline_leaves_no_count_of_cancellations_behind() -> None:
    """A task that goes on to write the 504 would otherwise break every later `asyncio.timeout`."""
    seen = run_virtually(lambda loop: observe(loop, (FOREVER,), 3, []))
    assert seen["/ours/"].cancelling == 0
    assert seen["/ours/"].pending == NOTHING_PENDS


@pytest.mark.parametrize(
    "policies",
    [[timeout(3)], [timeout(3), errors()], [timeout(None, total=3)], [timeout(3), use(passed_on)]],
    ids=str,
)
def test_a_bound_that_cannot_be_answered_is_logged(
    policies: list[Policy], caplog: pytest.LogCaptureFixture
) -> None:
    """An old-style timeout inside leaves its own cancellation on the count."""

    async def handler(request: web.Request) -> web.Response:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1)
        await asyncio.sleep(100)
        return web.Response()

    assert asked(handler, *policies) == ([], 3)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.name == "routeguard.timeout"
    assert record.getMessage().startswith("GET /: the ")
    assert " 3 s" in record.getMessage()
