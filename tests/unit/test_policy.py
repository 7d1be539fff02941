"""A policy is a value: compared, hashed, shown, copied, and never changed."""

import copy
import dataclasses
import pickle
import re
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

import routeguard
from routeguard import (
    Policy,
    cors,
    csrf,
    default_error_handler,
    errors,
    exempt,
    https,
    problem_details,
    rule,
    shield,
    timeout,
    use,
)
from tests.support.seen import label


async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def answer_errors(request: web.Request, error: Exception) -> web.Response:
    return web.Response(status=500, text=repr(error))


def allows(origin: str) -> bool:
    return origin.endswith(".example")


VALUES: list[Policy] = [
    timeout(5),
    timeout(0.25),
    timeout(1e-9),
    timeout(123456789.125),
    timeout(None),
    timeout(None, idle=2.5),
    timeout(1, idle=2, total=3),
    shield,
    shield(methods=["POST", "put"]),
    shield(limit=2.5),
    shield(methods="POST", limit=60),
    cors("*"),
    cors("null"),
    cors("https://a.example"),
    cors(["https://a.example", "https://*.b.example:8443", "http://localhost:*"]),
    cors([re.compile(r"https://[a-z]+\.example"), "https://x.example"]),
    cors(re.compile("https://a", re.IGNORECASE)),
    cors(allows),
    cors("https://a.example", allow_methods="*", allow_headers="*", expose_headers="*"),
    cors(
        "https://a.example",
        allow_methods=["PUT", "delete"],
        allow_headers=["X-B", "x-a"],
        expose_headers=["X-Total", "ETag"],
        allow_credentials=True,
        max_age=600,
    ),
    errors(),
    errors(problem_details),
    errors(answer_errors, on={KeyError: 404, LookupError: answer_errors}, ignore=(OSError,)),
    errors(default_error_handler, ignore=(ValueError, KeyError)),
    https(),
    https({"Forwarded": "https"}, trusted=["10.0.0.0/8", "unix"], redirect=True, hsts=60),
    https(trusted="*", hsts="max-age=60; includeSubDomains"),
    csrf(),
    csrf(trusted_origins=["https://a.example", "https://*.b.example"]),
    use(audit),
    exempt(timeout),
    exempt(cors, errors, shield, https, csrf, use),
    exempt(use(audit), timeout),
    label("x"),
]

NAMES = vars(routeguard) | globals()


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_the_repr_is_what_makes_it(value: Policy) -> None:
    again = eval(repr(value), NAMES)  # the repr is the expression that is written
    assert again == value
    assert repr(again) == repr(value)
    assert hash(again) == hash(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_equals_its_like_alone(value: Policy) -> None:
    assert [other for other in VALUES if other == value] == [value]
    strangers: list[object] = [repr(value), None, 5]
    assert value not in strangers
    assert {value: 1}[eval(repr(value), NAMES)] == 1


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_is_frozen_and_slotted(value: Policy) -> None:
    assert not hasattr(value, "__dict__")
    fields = dataclasses.fields(value)  # type: ignore[arg-type]  # every kind is a dataclass
    for name in [field.name for field in fields] + ["anything"]:
        # Slots and frozen together make it either of these, by the name.
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
            setattr(value, name, None)
    assert eval(repr(value), NAMES) == value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_can_be_copied_and_pickled(value: Policy) -> None:
    assert copy.copy(value) == value
    if value != errors(problem_details):  # an object that is compared by identity
        assert copy.deepcopy(value) == value
        assert pickle.loads(pickle.dumps(value)) == value


def test_several_spellings_of_one_value_are_equal() -> None:
    assert timeout(5) == timeout(5.0) == timeout(timedelta(seconds=5))
    assert timeout(0.5, total=60) == timeout(
        timedelta(milliseconds=500), total=timedelta(minutes=1)
    )
    assert shield == shield()
    assert shield(methods="post") == shield(methods=["POST"]) == shield(methods={"POST", "post"})
    assert (
        cors("https://A.Example") == cors(["https://a.example"]) == cors(URL("https://a.example/"))
    )
    assert cors(["*", "https://a.example"]).everyone
    assert exempt(cors, timeout) == exempt(timeout, cors)
    assert exempt(shield) == exempt(type(shield))
    assert errors(ignore=KeyError) == errors(ignore=(KeyError,))
    assert https({"X-Forwarded-Proto": "HTTPS"}) == https()
    assert csrf(trusted_origins="https://a.example") == csrf(
        trusted_origins=URL("https://a.example")
    )


def test_rules_are_values_too() -> None:
    one = rule("POST,PUT /x", timeout(5), shield)
    assert one == rule("POST,PUT /x", timeout(5), shield)
    assert hash(one) == hash(rule("POST,PUT /x", timeout(5), shield))
    assert rule("PUT /x", timeout(5)) == rule("/x", timeout(5), methods="put")
    assert len({one, rule("PUT /x", timeout(5)), rule("/x", timeout(5))}) == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.policies = ()  # type: ignore[misc]
    assert str(one) == "POST,PUT /x"
    assert str(rule("/x", timeout(5), methods={"put", "POST"})) == "POST,PUT /x"
    assert str(rule(re.compile(r"/x\d"), timeout(5))) == r"/x\d"
