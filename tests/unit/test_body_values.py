"""`body` as a value: what it takes, how it reads, what it is refused."""

import copy
import pickle
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

import routeguard
from routeguard import BodyTimeout, ConfigError, Policy, body, check, exempt, rule, timeout


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (body(1000), "body(1_000)"),
        (body(200_000_000, idle=10), "body(200_000_000, idle=10)"),
        (body(None), "body(None)"),
        (body(0), "body(0)"),
        (body(idle=0.5), "body(idle=0.5)"),
        (body(total=timedelta(minutes=1), idle=2), "body(total=60, idle=2)"),
    ],
)
def test_it_reads_as_it_was_written(policy: body, shown: str) -> None:
    assert repr(policy) == shown
    assert eval(shown, {"body": body}) == policy


def test_it_is_a_value() -> None:
    assert body(1000, idle=1) == body(1000, idle=1.0)
    assert body(None) != body(idle=1)
    assert len({body(5), body(5), body(6)}) == 2
    with pytest.raises(AttributeError):
        body(5).total = 1  # type: ignore[misc]
    for policy in (body(5), body(None), body(total=3)):
        assert copy.deepcopy(policy) == policy
        assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({}, ["it says nothing"]),
        ({"max_size": 1.5}, ["max_size=1.5 is no number of bytes: write an int"]),
        ({"max_size": "1MB"}, ["max_size='1MB' is no number of bytes"]),
        ({"max_size": True}, ["max_size=True is no number of bytes"]),
        ({"max_size": -1}, ["max_size=-1 is negative"]),
        ({"max_size": b"1"}, ["max_size=b'1' is no number of bytes"]),
        ({"idle": 0}, ["idle=0 is not a finite, positive time"]),
        ({"total": "5"}, ["total='5' is no number"]),
        ({"max_size": -1, "idle": -1, "total": float("nan")}, ["max_size=-1", "idle=-1", "total="]),
        ({"max_size": None, "idle": "x"}, ["idle='x'"]),
    ],
)
def test_what_cannot_be_meant(given: dict[str, Any], faults: list[str]) -> None:
    """All of it at once."""
    with pytest.raises(ConfigError) as raised:
        body(**given)
    assert len(raised.value.faults) == len(faults)
    for found, expected in zip(sorted(raised.value.faults), sorted(faults), strict=True):
        assert expected in found


async def handler(request: web.Request) -> web.Response:
    return web.Response()


def test_without_parentheses() -> None:
    with pytest.raises(ConfigError, match=r"@body without a limit above handler: write @body\("):
        body(handler)  # type: ignore[arg-type]


def test_a_body_timeout_tells_what_was_passed() -> None:
    error = BodyTimeout(1.5, "idle")
    assert (error.status, error.seconds, error.bound) == (408, 1.5, "idle")
    assert isinstance(error, web.HTTPRequestTimeout)
    assert error.headers["Connection"] == "close"
    assert error.text == "the request body did not arrive in time (idle: 1.5 s)"
    assert error.keep_alive is False


def found(*entries: routeguard.Policy, **routes: Policy) -> list[tuple[str, str, str]]:
    app = web.Application()
    app.router.add_post("/plain", handler)
    for name, policy in routes.items():
        app.router.add_post(f"/{name}", policy(handler))
    routeguard.setup(app, *entries)
    return [
        (one.code, one.severity, one.place) for one in check(app) if one.code in ("RG604", "RG605")
    ]


@pytest.mark.parametrize(
    ("policy", "findings"),
    [
        (body(1_048_576), []),
        (body(1_048_577), [("RG604", "info", "fallback")]),
        (body(None), [("RG604", "info", "fallback")]),
        (body(idle=5), []),
    ],
    ids=str,
)
def test_more_than_the_proxy_lets_pass(policy: body, findings: list[tuple[str, str, str]]) -> None:
    assert found(policy) == findings


@pytest.mark.parametrize(
    ("body_", "timeout_", "is_found"),
    [
        (body(total=31), timeout(30), True),
        (body(total=30), timeout(30), False),
        (body(total=31), timeout(None, total=30), True),
        (body(total=31), timeout(None), False),
        (body(total=31), timeout(None, idle=5), False),
        (body(idle=31), timeout(30), False),
    ],
    ids=str,
)
def test_a_body_that_may_take_longer_than_its_handler(
    body_: body, timeout_: timeout, is_found: bool
) -> None:
    assert found(body_, timeout_) == ([("RG605", "warning", "fallback")] if is_found else [])


def test_what_applies_to_one_route_alone() -> None:
    assert found(timeout(30), upload=body(total=60)) == [
        ("RG605", "warning", f"decorator of {handler.__module__}.handler")
    ]
    rules = (rule("/upload", exempt(timeout)), timeout(30))
    assert found(*rules, upload=body(total=60)) == []  # type: ignore[arg-type]
