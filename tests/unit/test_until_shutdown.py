"""`until_shutdown` as a value, and what it cannot be given."""

import copy
import pickle
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from routeguard import ConfigError, explain, setup, until_shutdown


def test_equal_times_make_equal_policies() -> None:
    assert until_shutdown() == until_shutdown(0) == until_shutdown(timedelta(0))
    assert hash(until_shutdown(2)) == hash(until_shutdown(timedelta(seconds=2)))
    assert until_shutdown(2) != until_shutdown(2, clean=True)
    assert len({until_shutdown(clean=clean) for clean in (None, True, False)}) == 3


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (until_shutdown(), "until_shutdown()"),
        (until_shutdown(0.5), "until_shutdown(0.5)"),
        (until_shutdown(timedelta(minutes=2)), "until_shutdown(120)"),
        (until_shutdown(clean=True), "until_shutdown(clean=True)"),
        (until_shutdown(3, clean=False), "until_shutdown(3, clean=False)"),
    ],
)
def test_the_repr_is_what_one_would_write(policy: until_shutdown, shown: str) -> None:
    assert repr(policy) == shown
    assert eval(shown, {"until_shutdown": until_shutdown}) == policy


def test_policies_are_immutable_and_can_be_copied() -> None:
    policy = until_shutdown(5, clean=True)
    with pytest.raises(AttributeError):
        policy.grace = 6  # type: ignore[misc]
    assert copy.deepcopy(policy) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize("grace", [-1, float("nan"), float("inf"), True, "5", None, timedelta(-1)])
def test_what_is_no_time_is_refused(grace: Any) -> None:
    with pytest.raises(ConfigError, match=r"grace=.*write seconds, such as 5"):
        until_shutdown(grace)


@pytest.mark.parametrize("clean", [1, 0, "yes", "text/event-stream", ()])
def test_clean_is_yes_or_no_or_not_given(clean: Any) -> None:
    with pytest.raises(ConfigError, match=r"clean=.* is neither True"):
        until_shutdown(clean=clean)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        until_shutdown(-1, clean="no")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 2


async def events(request: web.Request) -> web.Response:
    return web.Response()


def test_without_parentheses_it_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"above .*events: write @until_shutdown\(\)"):
        until_shutdown(events)  # type: ignore[arg-type]


def test_explain_tells_when_and_how_a_response_ends() -> None:
    app = web.Application()
    app.router.add_get("/events", until_shutdown(2.5)(events))
    setup(app)
    [row] = [text for name, text in explain(app, "GET", "/events").rows if name == "shutdown"]
    assert "after 2.5 s" in row
    assert "whole where it is text/event-stream" in row
