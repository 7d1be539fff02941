"""RG101 and RG102: rules that never apply."""

import re

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import routeguard
from routeguard import ConfigError, Finding, check, cors, errors, exempt, rule, shield, timeout, use
from routeguard.policy import Handler
from routeguard.routes.rules import Rule
from routeguard.routes.scope import SCOPE
from routeguard.serving.startup_checks import unmatched_rules


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


def make(*rules: Rule, routes: tuple[str, ...] = ("GET /",), static: str = "") -> web.Application:
    app = web.Application()
    for route in routes:
        method, path = route.split(" ")
        app.router.add_route(method, path, page)
    if static:
        app.router.add_static(static, ".")
    routeguard.setup(app, *rules, timeout(5))
    return app


def found(app: web.Application, code: str) -> list[Finding]:
    return [finding for finding in check(app) if finding.code == code]


def places(app: web.Application, code: str) -> list[str]:
    return [finding.place for finding in found(app, code)]


@pytest.mark.parametrize(
    ("given_rule", "routes"),
    [
        (rule("/orders", shield), ("GET /order",)),
        (rule("/users/{name}", shield), ("GET /users/{id}",)),
        (rule("/api/*", shield), ("GET /api", "GET /apis/x")),
        (rule("/users/42/*", shield), ("GET /users/{id}",)),
        (rule("/a/b", shield), ("GET /{one}",)),
        (rule("/users/me", shield), (r"GET /users/{id:\d+}",)),
        (rule(re.compile(r"/reports/\d+"), shield), ("GET /", "GET /users/{id}")),
        (rule(re.compile(r"/reports/"), shield), ("GET /{page}",)),
        (rule("POST /orders", shield), ("GET /orders",)),
        (rule("HEAD /orders", shield), ("POST /orders",)),
        (rule("DELETE /orders/*", shield), ("GET /orders/{id}", "POST /orders/")),
        (rule("POST /*", shield), ("GET /",)),
    ],
    ids=str,
)
def test_a_rule_that_no_route_can_match_is_an_error(
    given_rule: Rule, routes: tuple[str, ...]
) -> None:
    (finding,) = found(make(given_rule, routes=routes), "RG101")

    assert finding.place == f'rule 1 "{given_rule}"'
    assert finding.severity == "error"


@pytest.mark.parametrize(
    ("given_rule", "routes"),
    [
        (rule("/orders", shield), ("GET /orders",)),
        (rule("/users/{id}", shield), ("GET /users/{id}",)),
        (rule("/users/{id}", shield), (r"GET /users/{id:\d+}",)),
        (rule("/users/me", shield), ("GET /users/{id}",)),
        (rule("/users/42", shield), (r"GET /users/{id:\d+}",)),
        (rule("/api/*", shield), ("GET /api/x",)),
        (rule("/api/v1/*", shield), ("GET /{tail:.*}",)),
        (rule("/acme/*", shield), ("GET /{tenant}/orders",)),
        (rule("/café", shield), ("GET /caf%C3%A9",)),
        (rule("/*", shield), ()),
        (rule(re.compile(r"/reports/\d+"), shield), ("GET /reports/{id}",)),
        (rule(re.compile(r"/REPORTS/\d+", re.IGNORECASE), shield), ("GET /reports/{id}",)),
        (rule(re.compile(r"/x/1|/reports/\d+"), shield), ("GET /reports/{id}",)),
        (rule(re.compile(r"/reports?/\d+"), shield), ("GET /report/{id}",)),
        (rule(re.compile(r"/a|/b"), shield), ("GET /{page}",)),
        (rule(re.compile(r"/reports?"), shield), ("GET /{page}",)),
        (rule("POST /orders", shield), ("GET /orders", "POST /orders")),
        (rule("HEAD /orders", shield), ("HEAD /orders",)),
        (rule("PATCH /anything", shield), ("* /anything",)),
    ],
    ids=str,
)
def test_a_rule_that_some_route_can_match_is_fine(
    given_rule: Rule, routes: tuple[str, ...]
) -> None:
    assert places(make(given_rule, routes=routes), "RG101") == []


def test_a_rule_for_a_method_that_is_not_routed_says_what_there_is() -> None:
    (finding,) = found(make(rule("POST /orders", shield), routes=("GET /orders",)), "RG101")

    assert "has the method POST: there is GET /orders" in finding.message


def test_static_files_are_matched_by_exact_and_prefix_rules() -> None:
    rules = (
        rule("/static/app.js", shield),
        rule("/static/css/*", shield),
        rule("/static/*", shield),
        rule("/assets/*", shield),
        rule("/statics/*", shield),
    )

    assert places(make(*rules, static="/static"), "RG101") == [
        'rule 4 "/assets/*"',
        'rule 5 "/statics/*"',
    ]


def test_the_rules_of_a_mounted_application_are_relative_and_say_whose_they_are() -> None:
    inner = web.Application()
    inner.router.add_get("/orders", page)
    routeguard.setup(inner, rule("/orders", timeout(1)), rule("/admin/orders", timeout(2)))
    app = web.Application()
    app.add_subapp("/admin", inner)
    routeguard.setup(app, rule("/admin/orders", cors("*")), rule("/orders", cors("*")))

    assert places(app, "RG101") == [
        'rule 2 "/orders"',
        'rule 2 "/admin/orders" of /admin',
    ]


def test_routes_of_another_domain_are_matched() -> None:
    inner = web.Application()
    inner.router.add_get("/help", page)
    app = web.Application()
    app.add_domain("help.example.com", inner)
    routeguard.setup(app, rule("/help", timeout(1)), rule("/helps", timeout(1)))

    assert places(app, "RG101") == ['rule 2 "/helps"']


SEGMENTS = st.sampled_from(["a", "b", "{x}", r"{x:\d+}", "{x:.*}", "1"])
ROUTES = st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
PATTERNS = st.lists(st.sampled_from(["a", "b", "1", "{x}"]), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from(
        ["/" + "/".join(parts), "/" + "/".join(part for part in [*parts, "*"] if "{" not in part)]
    )
)


@given(st.lists(ROUTES, max_size=3, unique=True), st.lists(PATTERNS, min_size=1, max_size=3))
def test_what_start_up_warns_of_is_found_too(paths: list[str], patterns: list[str]) -> None:
    app = web.Application()
    for path in paths:
        if path.count("{x") < 2:
            app.router.add_get(path, page)
    routeguard.setup(app, *(rule(pattern, shield) for pattern in patterns))

    warned = {f'rule {i + 1} "{one}"' for i, one in unmatched_rules(app[SCOPE])}
    assert warned <= set(places(app, "RG101"))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (rule("/api/*", timeout(10)), rule("/api/*", timeout(5))),
        (rule("/api/*", timeout(10)), rule("/api/v1/*", timeout(5))),
        (rule("/api/*", timeout(10)), rule("/api/orders", timeout(5))),
        (rule("/api/*", timeout(10)), rule("/api/users/{id}", timeout(5))),
        (rule("/api/*", timeout(10)), rule(re.compile(r"/api/v\d/.*"), timeout(5))),
        (rule("/*", timeout(10)), rule(re.compile(r"/a|/b"), timeout(5))),
        (rule("/api/orders", timeout(10)), rule("GET /api/orders", timeout(5))),
        (rule("/users/{id}", timeout(10)), rule("/users/{id}", timeout(5))),
        (rule("/users/{id}", timeout(10)), rule("/users/me", timeout(5))),
        (rule(re.compile(r"/api/.*"), timeout(10)), rule("/api/v1/*", timeout(5))),
        (rule(re.compile(r"/api/[ov]\w+$"), timeout(10)), rule("/api/orders", timeout(5))),
        (rule(re.compile(r"/x"), timeout(10)), rule(re.compile(r"/x"), timeout(5))),
        (rule("/api/*", exempt(timeout)), rule("/api/v1/*", timeout(5))),
        (rule("GET /api/*", timeout(10)), rule("HEAD /api/v1/*", timeout(5))),
    ],
    ids=str,
)
def test_a_rule_after_a_wider_one_is_an_error(earlier: Rule, later: Rule) -> None:
    routes = ("GET /api/orders", "GET /api/users/{id}", "GET /api/v1/x", "GET /users/{id}")
    (finding,) = found(make(earlier, later, routes=routes), "RG102")

    assert finding.place == f'rule 2 "{later}"'
    assert finding.severity == "error"
    assert f'rule 1 "{earlier}" comes first' in finding.message


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (rule("/api/v1/*", timeout(10)), rule("/api/*", timeout(5))),
        (rule("/api/*", timeout(10)), rule("/api", timeout(5))),
        (rule("/api/*", timeout(10)), rule("/apis/*", timeout(5))),
        (rule("/api/*", timeout(10)), rule("/{page}", timeout(5))),
        (rule("GET /api/*", timeout(10)), rule("/api/*", timeout(5))),
        (rule("GET /api/*", timeout(10)), rule("POST /api/*", timeout(5))),
        (rule("GET /api/orders", timeout(10)), rule("GET,POST /api/orders", timeout(5))),
        (rule("/users/me", timeout(10)), rule("/users/{id}", timeout(5))),
        (rule("/users/{id}", timeout(10)), rule("/users/*", timeout(5))),
        (rule(re.compile(r"/api/\d+"), timeout(10)), rule("/api/*", timeout(5))),
        (rule(re.compile(r"/api/.+"), timeout(10)), rule("/api/*", timeout(5))),
        (rule(re.compile(r"/x"), timeout(10)), rule(re.compile(r"/X", re.IGNORECASE), timeout(5))),
        (rule("/api/*", timeout(10)), rule("/api/v1/*", shield)),
        (rule("/api/*", use(audit)), rule("/api/v1/*", use(audit))),
    ],
    ids=str,
)
def test_a_rule_with_something_left_to_match_is_fine(earlier: Rule, later: Rule) -> None:
    routes = ("GET /api/orders", "POST /api/orders", "GET /api", "GET /{page}", "GET /users/{id}")

    assert places(make(earlier, later, routes=routes), "RG102") == []


def test_of_a_partly_shadowed_rule_only_what_is_dead_is_named() -> None:
    app = make(
        rule("/api/*", timeout(10), errors()),
        rule("/api/v1/*", timeout(5), shield),
        routes=("GET /api/v1/x",),
    )

    (finding,) = found(app, "RG102")
    assert finding.message.startswith("timeout(5) never applies")
    assert finding.remedy.startswith("put it before rule 1")


def test_codes_can_be_left_out() -> None:
    app = make(rule("/nowhere", shield), rule("/nowhere", shield))

    assert {one.code for one in check(app)} == {"RG101", "RG102"}
    assert {one.code for one in check(app, ignore=["RG101"])} == {"RG102"}
    assert {one.code for one in check(app, ignore="RG102")} == {"RG101"}
    assert check(app, ignore=("RG101", "RG102")) == ()


def test_a_code_that_does_not_exist_cannot_be_left_out() -> None:
    with pytest.raises(ConfigError, match="'RG999' is no code"):
        check(make(), ignore=["RG999"])


def test_only_applications_are_checked() -> None:
    with pytest.raises(ConfigError, match="the first argument is the web"):
        check(page)  # type: ignore[arg-type]


def test_the_gravest_findings_come_first() -> None:
    app = web.Application()
    app.router.add_post("/", page)
    app.router.add_get("/read", shield(page))
    routeguard.setup(app, rule("/nowhere", timeout(5)))

    assert [(one.severity, one.code) for one in check(app)] == [
        ("error", "RG101"),
        ("warning", "RG302"),
        ("info", "RG301"),
    ]


# --- RG107 ----------------------------------------------------------------------------------------

SAML = r"/func/{path:saml/.*$}"
REST = r"/func/{path:.*$}"


def twins(*rules: Rule) -> web.Application:
    return make(
        *rules, routes=(f"GET {SAML}", f"GET {REST}", "GET /users/{id}", "POST /users/{id}")
    )


def test_a_canonical_rule_for_several_resources_is_told_with_the_texts_of_all() -> None:
    (finding,) = found(
        twins(rule("/func/{path}", exempt(timeout)), rule("/users/{id}", cors("*"))), "RG107"
    )

    assert (finding.severity, finding.place) == ("warning", 'rule 1 "/func/{path}"')
    assert "applies to 2 resources" in finding.message
    assert SAML in finding.message and REST in finding.message
    assert finding.remedy.endswith(repr(SAML))


@pytest.mark.parametrize(
    "rules",
    [
        (rule(SAML, shield),),
        (rule("/func/*", shield),),
        (rule("POST /func/{path}", shield),),
        (rule(SAML, shield), rule("/func/{path}", shield)),  # of two the first takes one
    ],
    ids=lambda rules: " ".join(map(str, rules)),
)
def test_a_rule_that_applies_to_one_resource_is_fine(rules: tuple[Rule, ...]) -> None:
    assert found(twins(*rules), "RG107") == []


def test_a_full_text_shadows_and_is_shadowed_as_its_resource_is() -> None:
    wide_first = twins(rule("/func/{path}", shield), rule(SAML, shield))
    assert places(wide_first, "RG102") == [f'rule 2 "{SAML}"']
    assert places(twins(rule(SAML, shield), rule("/func/{path}", shield)), "RG102") == []
    assert places(twins(rule(SAML, shield), rule(REST, shield)), "RG102") == []


def test_a_full_text_that_no_resource_has_matches_no_route() -> None:
    app = twins(rule(r"/func/{path:saml/.+$}", shield))

    assert places(app, "RG101") == [r'rule 1 "/func/{path:saml/.+$}"']
    assert [position for position, _ in unmatched_rules(app[SCOPE])] == [0]
    assert unmatched_rules(twins(rule(SAML, shield))[SCOPE]) == []
