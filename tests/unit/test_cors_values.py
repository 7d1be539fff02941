"""`cors` as a value: what its parameters take, what they refuse, how it shows and compares."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web
from yarl import URL

from routeguard import ConfigError, cors, explain, rule, setup

A = "https://a.example"
B = "https://b.example"


async def answer(request: web.Request) -> web.Response:
    return web.Response()


def preflight(policy: cors, method: str = "GET", headers: str | None = None) -> str:
    """What a preflight from A is told, for a path that routes GET, PUT and DELETE."""
    app = web.Application()
    for routed in ("GET", "PUT", "DELETE"):
        app.router.add_route(routed, "/", answer)
    setup(app, policy)
    asked = {} if headers is None else {"Access-Control-Request-Headers": headers}
    return explain(app, method, "/", origin=A, headers=asked).preflight


# --- what is taken --------------------------------------------------------------------------------


class Tenants:
    def __call__(self, origin: str) -> bool:
        return origin == A

    async def knows(self, origin: str, request: web.Request) -> bool:
        return origin == A


async def is_tenant(origin: str) -> bool:
    return origin == A


@pytest.mark.parametrize(
    "predicate",
    [
        lambda origin: origin == A,
        lambda origin, request: origin == A,
        lambda origin, request=None: origin == A,
        lambda *arguments: arguments[0] == A,
        Tenants(),
        Tenants().knows,
        is_tenant,
        {A}.__contains__,
    ],
)
def test_predicates_of_every_shape_are_asked(
    predicate: Callable[..., bool | Awaitable[bool]],
) -> None:
    app = web.Application()
    app.router.add_get("/", answer)
    setup(app, cors(predicate))
    assert explain(app, "GET", "/", origin=A).cors == "allowed"
    assert explain(app, "GET", "/", origin=B).cors.startswith("refused")


@pytest.mark.parametrize(
    "origins", [A, [A], (A,), {A}, frozenset({A}), URL(A), [URL(A)], dict.fromkeys([A]).keys()]
)
def test_one_origin_in_any_wrapping_is_the_same_policy(origins: list[str]) -> None:
    assert cors(origins) == cors(A)
    assert hash(cors(origins)) == hash(cors(A))


def test_an_origin_twice_is_the_same_as_once() -> None:
    assert cors([A, "https://A.EXAMPLE", URL(A)]) == cors(A)


@pytest.mark.parametrize(
    "other",
    [
        cors(B),
        cors([A, B]),
        cors(A, allow_methods=["PUT"]),
        cors(A, allow_headers=["x-a"]),
        cors(A, expose_headers=["X-A"]),
        cors(A, allow_credentials=True),
        cors(A, max_age=5),
        cors("*"),
        cors(re.compile(re.escape(A))),
        cors(lambda origin: True),
    ],
    ids=str,
)
def test_policies_that_differ_compare_unequal(other: cors) -> None:
    assert cors(A) != other


def test_names_are_compared_without_case_and_order() -> None:
    assert cors(A, allow_methods=["put", "DELETE"]) == cors(A, allow_methods=["delete", "PUT"])
    assert cors(A, allow_headers=["X-A", "x-b"]) == cors(A, allow_headers=("x-B", "x-a"))


def test_a_single_name_stands_without_brackets() -> None:
    assert cors(A, allow_methods="PUT") == cors(A, allow_methods=["PUT"])
    assert cors(A, allow_headers="x-a") == cors(A, allow_headers=["x-a"])
    assert cors(A, expose_headers="X-A") == cors(A, expose_headers=["X-A"])


@pytest.mark.parametrize(
    ("given", "sent"),
    [(0, "0"), (600, "600"), (600.0, "600"), (timedelta(hours=2), "7200"), (86400, "86400")],
)
def test_max_age_is_sent_as_whole_seconds(given: float | timedelta, sent: str) -> None:
    assert f"Access-Control-Max-Age: {sent}" in preflight(cors(A, max_age=given)).splitlines()


def test_without_max_age_the_browser_keeps_its_own() -> None:
    assert "Max-Age" not in preflight(cors(A))


def test_a_policy_cannot_be_changed() -> None:
    policy = cors(A)
    with pytest.raises(AttributeError):
        policy.allow_credentials = True  # type: ignore[misc]


def test_a_policy_does_not_follow_the_list_it_was_made_of() -> None:
    origins, methods = [A], ["PUT"]
    policy = cors(origins, allow_methods=methods)
    origins.append("*")
    methods.append("DELETE")
    assert policy == cors(A, allow_methods=["PUT"])
    assert preflight(policy, "DELETE").startswith("403")


# --- how it shows itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        cors(A),
        cors([A, B]),
        cors("*"),
        cors("null"),
        cors(["https://*.example.com", "http://localhost:*"]),
        cors(A, allow_methods=["PUT", "DELETE"]),
        cors(A, allow_methods=[]),
        cors(A, allow_methods="*"),
        cors(A, allow_headers=["x-a"]),
        cors(A, allow_headers=[]),
        cors(A, allow_headers=["*", "authorization"]),
        cors(A, expose_headers=["X-A"], max_age=0),
        cors(A, allow_credentials=True, max_age=600),
        cors(re.compile(r"https://[a-z]+\.example")),
    ],
    ids=repr,
)
def test_the_repr_of_a_policy_makes_it_again(policy: cors) -> None:
    assert eval(repr(policy), {"cors": cors, "re": re}) == policy


def test_the_repr_of_a_star_beside_others_is_a_star() -> None:
    assert repr(cors([A, "*"])) == repr(cors("*"))


def test_a_star_beside_others_is_just_a_star() -> None:
    assert cors([A, "*"]) == cors("*")


def test_the_repr_of_many_origins_is_short() -> None:
    said = repr(cors([f"https://app{i}.example" for i in range(1_000)]))
    assert "997 more" in said
    assert len(said) < 200


def test_the_repr_of_a_predicate_is_its_name() -> None:
    assert repr(cors(is_tenant)) == "cors(is_tenant)"


# --- what a preflight is told ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow_methods", "granted", "refused"),
    [
        (None, ["GET", "HEAD", "POST", "PUT", "DELETE"], ["PATCH", "OPTIONS"]),
        (["PUT"], ["GET", "HEAD", "POST", "PUT"], ["DELETE", "PATCH"]),
        (["put"], ["PUT"], ["DELETE"]),
        ([], ["GET", "HEAD", "POST"], ["PUT", "DELETE"]),
        ("*", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"], []),
    ],
)
def test_methods(allow_methods: list[str] | None, granted: list[str], refused: list[str]) -> None:
    policy = cors(A, allow_methods=allow_methods)
    for method in granted:
        assert f"Access-Control-Allow-Methods: {method}" in preflight(policy, method).splitlines()
    for method in refused:
        said = preflight(policy, method)
        assert said.startswith("403")
        assert method in said


DEFAULT_HEADERS = (
    "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, "
    "x-csrftoken, x-requested-with"
)

HEADERS = [
    ({}, "x-requested-with", "x-requested-with"),
    ({}, DEFAULT_HEADERS, DEFAULT_HEADERS),
    ({}, "X-CSRFToken,AUTHORIZATION", "x-csrftoken, authorization"),
    ({}, "x-api-key", None),
    ({}, "content-type,x-api-key", None),
    ({}, "", ""),
    ({}, " , ,", ""),
    ({}, "accept\t,\tdnt ", "accept, dnt"),
    ({"allow_headers": ["X-API-Key"]}, "x-api-key", "x-api-key"),
    ({"allow_headers": ["X-API-Key"]}, "authorization", None),
    ({"allow_headers": []}, "accept", None),
    ({"allow_headers": []}, "", ""),
    ({"allow_headers": ["x-token"]}, "x-to\u212aen", None),
    ({"allow_headers": ["x-token"]}, "x-token x-token", None),
    ({"allow_headers": ["x-token"]}, "*", None),
    ({"allow_headers": "*"}, "x-anything", "*"),
    ({"allow_headers": "*"}, "authorization", None),
    ({"allow_headers": "*"}, "x-a,Authorization", None),
    ({"allow_headers": ["*", "Authorization"]}, "x-a,authorization", "*, authorization"),
    ({"allow_headers": "*"}, "x y", None),
    ({"allow_headers": "*"}, "x\u00e9", None),
    ({"allow_headers": "*", "allow_credentials": True}, "X-A,Authorization", "x-a, authorization"),
    ({"allow_headers": "*", "allow_credentials": True}, "x y", None),
    ({"allow_headers": "*", "allow_credentials": True}, "x-to\u212aen", None),
    ({"allow_headers": ["x-a"], "allow_credentials": True}, "x-b", None),
]


@pytest.mark.parametrize(("keywords", "asked", "granted"), HEADERS)
def test_headers(keywords: dict[str, object], asked: str, granted: str | None) -> None:
    said = preflight(cors(A, **keywords), headers=asked)  # type: ignore[arg-type]
    lines = [line for line in said.splitlines() if line.startswith("Access-Control-Allow-Headers")]
    if granted is None:
        assert said.startswith("403: the header")
        assert lines == []
    else:
        assert said.startswith("204")
        assert lines == ([f"Access-Control-Allow-Headers: {granted}"] if granted else [])


# --- where it may stand ---------------------------------------------------------------------------


def test_the_same_value_decorates_stands_in_a_rule_and_is_a_fallback() -> None:
    policy = cors(A)
    decorated, ruled, fallen = web.Application(), web.Application(), web.Application()
    decorated.router.add_get("/", policy(answer))
    ruled.router.add_get("/", answer)
    fallen.router.add_get("/", answer)
    setup(decorated)
    setup(ruled, rule("/", policy))
    setup(fallen, policy)
    for app in (decorated, ruled, fallen):
        told = explain(app, "GET", "/", origin=A)
        assert told.policy(cors) is policy
        assert told.cors == "allowed"


def test_cors_twice_among_the_fallbacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        setup(web.Application(), cors(A), cors(B))


def test_cors_without_its_parentheses_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"cors\(\.\.\.\)"):
        setup(web.Application(), cors)  # type: ignore[arg-type]
