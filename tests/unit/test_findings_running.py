"""RG301 to RG501: how long handlers run, what may end them, and whom they believe."""

import importlib.util

import pytest
from aiohttp import web

import routeguard
from routeguard import (
    Finding,
    ProblemDetails,
    check,
    errors,
    exempt,
    https,
    problem_details,
    rule,
    shield,
    timeout,
)
from routeguard.policy import Handler, Policy
from routeguard.routes.rules import Rule


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


def make(*entries: Rule | Policy, **handlers: Handler) -> web.Application:
    """An application with a route for each method that is named."""
    app = web.Application()
    for method, handler in handlers.items():
        app.router.add_route(method.upper(), "/orders", handler)
    routeguard.setup(app, *entries)
    return app


def found(app: web.Application, code: str) -> list[Finding]:
    return [finding for finding in check(app) if finding.code == code]


# --- RG301 ----------------------------------------------------------------------------------------


def test_a_shield_on_a_route_that_only_reads_is_mentioned() -> None:
    (finding,) = found(make(get=shield(page), post=timeout(1)(page)), "RG301")

    assert finding.severity == "info"
    assert finding.place == f"decorator of {__name__}.page"


@pytest.mark.parametrize("methods", [["post"], ["put"], ["patch"], ["delete"], ["*"]])
def test_a_shield_on_a_route_that_changes_something_is_fine(methods: list[str]) -> None:
    assert found(make(**{method: shield(page) for method in methods}), "RG301") == []


def test_a_shield_that_is_not_for_get_is_fine() -> None:
    app = make(shield(methods=["POST"]), get=page, post=page)

    assert found(app, "RG301") == []


def test_a_shield_for_all_is_mentioned_once_with_the_routes_that_read() -> None:
    app = web.Application()
    for name in "abcde":
        app.router.add_get(f"/{name}", page, allow_head=False)
        app.router.add_post(f"/{name}", page)
    routeguard.setup(app, rule("/a", shield(limit=1)), shield)

    by_rule, by_fallback = found(app, "RG301")
    assert (by_rule.place, by_fallback.place) == ('rule 1 "/a"', "fallback")
    assert "keeps GET /a running" in by_rule.message
    assert "keeps GET /b, GET /c, GET /d and 1 more running" in by_fallback.message


def test_a_view_that_also_writes_is_fine() -> None:
    @shield
    class Orders(web.View):
        async def get(self) -> web.Response:
            return await page(self.request)

        async def post(self) -> web.Response:
            return await page(self.request)

    app = web.Application()
    app.router.add_view("/orders", Orders)
    routeguard.setup(app)

    assert found(app, "RG301") == []


# --- RG302 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_side_effects_of_which_nobody_has_said_anything_are_a_warning(method: str) -> None:
    (finding,) = found(make(**{method: page}), "RG302")

    assert finding.severity == "warning"
    assert finding.place == f"{method.upper()} /orders ({__name__}.page)"


def test_reading_needs_neither() -> None:
    assert check(make(get=page)) == ()


@pytest.mark.parametrize(
    "entry",
    [
        timeout(5),
        timeout(None),
        shield,
        shield(methods=["POST"]),
        rule("/orders", timeout(5)),
        rule("POST /orders", shield),
        rule("/orders", exempt(timeout)),
    ],
    ids=repr,
)
def test_side_effects_of_which_somebody_has_said_something_are_fine(entry: Rule | Policy) -> None:
    assert found(make(entry, post=page), "RG302") == []


@pytest.mark.parametrize("entry", [shield(methods=["PUT"]), rule("PUT /orders", timeout(5))])
def test_what_is_said_of_another_method_does_not_count(entry: Rule | Policy) -> None:
    (finding,) = found(make(entry, post=page, put=page), "RG302")

    assert finding.place.startswith("POST /orders")


def test_of_a_view_the_methods_without_either_are_named() -> None:
    class Orders(web.View):
        async def get(self) -> web.Response:
            return await page(self.request)

        @timeout(5)
        async def post(self) -> web.Response:
            return await page(self.request)

        async def put(self) -> web.Response:
            return await page(self.request)

        async def delete(self) -> web.Response:
            return await page(self.request)

    app = web.Application()
    app.router.add_view("/orders", Orders)
    routeguard.setup(app)

    (finding,) = found(app, "RG302")
    assert finding.place.startswith("PUT,DELETE /orders")


def paying(count: int, *, guarded: int = 0) -> web.Application:
    """An application in which so many routes change something."""
    app = web.Application()
    for number in range(count):
        app.router.add_post(f"/pay/{number}", timeout(5)(page) if number < guarded else page)
    app.router.add_get("/read", page)
    routeguard.setup(app)
    return app


def test_routes_of_which_the_same_is_found_are_one_finding() -> None:
    (finding,) = found(paying(60, guarded=1), "RG302")

    assert finding.places == tuple(f"POST /pay/{i} ({__name__}.page)" for i in range(1, 60))
    assert finding.place.startswith("POST /pay/1 (") and finding.place.endswith(" and 56 more")
    assert "nothing bounds it" in finding.message


def test_what_holds_for_the_whole_application_is_said_of_it() -> None:
    (finding,) = found(paying(60), "RG302")

    assert (finding.place, len(finding.places)) == ("application", 60)
    assert "any of its 60 routes that change something" in finding.message
    assert "give setup a timeout" in finding.remedy


def test_of_a_few_routes_each_is_named() -> None:
    (finding,) = found(paying(2), "RG302")
    assert finding.place == f"POST /pay/0 ({__name__}.page), POST /pay/1 ({__name__}.page)"


# --- RG303 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fallback", [timeout(61), timeout(None, idle=120), timeout(5, idle=60.5)])
def test_a_fallback_past_which_proxies_have_given_up_is_a_warning(fallback: timeout) -> None:
    (finding,) = found(make(fallback), "RG303")

    assert (finding.severity, finding.place) == ("warning", "fallback")
    assert repr(fallback) in finding.message


@pytest.mark.parametrize(
    "entry", [timeout(60), timeout(None), timeout(5, total=600), rule("/orders", timeout(600))]
)
def test_other_timeouts_are_fine(entry: Rule | Policy) -> None:
    assert found(make(entry, get=timeout(300)(page)), "RG303") == []


# --- RG401 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", ["*", "0.0.0.0/0", "::/0", ["10.0.0.0/8", "*"]])
def test_https_that_believes_everyone_is_a_warning(trusted: str | list[str]) -> None:
    (finding,) = found(make(rule("/*", https(trusted=trusted))), "RG401")

    assert (finding.severity, finding.place) == ("warning", 'rule 1 "/*"')
    assert "X-Forwarded-Proto" in finding.message


def test_https_that_believes_a_network_is_fine() -> None:
    assert found(make(https(trusted=["10.0.0.0/8", "unix", "::1"])), "RG401") == []


# --- RG501 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        errors(problem_details),
        errors(ProblemDetails(types={KeyError: "https://example.com/missing"})),
        errors(on={KeyError: problem_details}),
    ],
    ids=repr,
)
def test_problem_details_without_the_extra_are_mentioned(
    policy: errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(make(policy), "RG501") == []  # the extra is installed where tests run

    # Taking a package away for one test would need an environment of its own.
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "routeguard.policies.errors.telling.find_spec",
        lambda name: None if name == "mimeparse" else find(name),
    )
    (finding,) = found(make(policy), "RG501")
    assert (finding.severity, finding.place) == ("info", "fallback")
    assert "routeguard[negotiation]" in finding.remedy
    assert found(make(errors()), "RG501") == []
