"""`shield` as a value: bare, with options, and misused."""

import copy
import pickle
from datetime import timedelta

import pytest
from aiohttp import web

from routeguard import ConfigError, exempt, setup, shield, shielded_count


async def pay(request: web.Request) -> web.Response:
    return web.Response()


def test_the_bare_shield_is_a_shield_without_options() -> None:
    assert shield == shield() == shield(methods=None, limit=None)
    assert hash(shield) == hash(shield())
    assert shield != shield(limit=5)


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (shield, "shield"),
        (shield(), "shield"),
        (shield(limit=30), "shield(limit=30)"),
        (shield(limit=timedelta(minutes=1)), "shield(limit=60)"),
        (shield(methods=["PUT", "post"]), "shield(methods=['POST', 'PUT'])"),
        (shield(methods="patch", limit=0.5), "shield(methods=['PATCH'], limit=0.5)"),
    ],
)
def test_the_repr_is_what_one_would_write(policy: object, shown: str) -> None:
    assert repr(policy) == shown
    assert eval(shown, {"shield": shield}) == policy


def test_methods_are_compared_without_case_and_order() -> None:
    assert shield(methods=["post", "Put"]) == shield(methods=("PUT", "POST", "POST"))
    assert shield(methods="POST") == shield(methods=["post"])


def test_policies_are_immutable_and_can_be_copied() -> None:
    policy = shield(methods="POST", limit=5)
    with pytest.raises(AttributeError):
        policy.limit = 6  # type: ignore[misc]
    assert copy.deepcopy(policy) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize("limit", [0, -1, True, "5", float("inf"), float("nan"), 10**400], ids=repr)
def test_a_limit_that_is_no_time_is_refused(limit: object) -> None:
    with pytest.raises(ConfigError, match="limit="):
        shield(limit=limit)  # type: ignore[call-overload]


@pytest.mark.parametrize("methods", [[], "", ["GET POST"], ["POST/"], [b"POST"], [None], ["POſT"]])
def test_methods_that_are_none_are_refused(methods: object) -> None:
    with pytest.raises(ConfigError, match="method"):
        shield(methods=methods)  # type: ignore[call-overload]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        shield(methods=["P OST", "GE T"], limit=0)
    assert len(caught.value.faults) == 3


def test_misuse_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"write @shield\(limit=30\)"):
        shield(pay, limit=30)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="write shield"):
        shield(limit=5)(limit=6)
    with pytest.raises(ConfigError):
        shield("POST")  # type: ignore[call-overload]


def test_exempt_takes_the_kind_and_no_shield_with_options() -> None:
    assert "shield" in repr(exempt(shield))
    with pytest.raises(ConfigError):
        exempt(shield(limit=5))


def test_counting_is_for_applications_that_are_set_up() -> None:
    app = web.Application()
    with pytest.raises(ConfigError, match="setup"):
        shielded_count(app)
    setup(app)
    assert shielded_count(app) == 0


@pytest.mark.parametrize("drain", [-1, True, "30", float("nan"), float("inf"), None], ids=repr)
def test_a_drain_that_is_no_time_is_refused(drain: object) -> None:
    with pytest.raises(ConfigError, match="drain="):
        setup(web.Application(), drain=drain)  # type: ignore[arg-type]


@pytest.mark.parametrize("drain", [0, 0.5, timedelta(seconds=5)], ids=repr)
def test_a_drain_of_no_time_is_a_drain(drain: float | timedelta) -> None:
    setup(web.Application(), drain=drain)
