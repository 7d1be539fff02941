"""`survey` against a server: what it tells of a route is what requests to the route meet."""

import re

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_aiohttp.plugin import AiohttpClient

import routeguard
from routeguard import (
    ConfigError,
    Policy,
    SurveyedRoute,
    deadline,
    exempt,
    explain,
    rule,
    shield,
    survey,
    timeout,
)
from tests.server.command.shop import make_app

ORIGIN = "https://app.example.com"


async def page(request: web.Request) -> web.Response:
    left = deadline(request).remaining
    return web.Response(text="none" if left is None else f"{round(left)}")


def host_of(route: SurveyedRoute) -> str:
    return next((one[5:] for one in route.mounts if one.startswith("host ")), "shop.example.com")


def methods_of(route: SurveyedRoute) -> tuple[str, ...]:
    return ("GET", "POST", "OPTIONS") if route.methods == ("*",) else route.methods


def test_it_tells_of_every_route_what_explain_tells_of_its_requests() -> None:
    app = make_app()
    asked = 0
    for route in survey(app).routes:
        for method in methods_of(route):
            told = explain(app, method, route.example, host=host_of(route))
            asked += 1
            assert told.status is None
            assert told.handler == route.handler or route.handler.startswith("files in ")
            for kind in told.kinds:
                assert (kind.policies, kind.considered) == (
                    route[kind.kind].policies,
                    route[kind.kind].considered,
                )
    assert asked > 50


async def test_the_headers_of_real_answers_are_those_of_the_surveyed_policies(
    aiohttp_client: AiohttpClient,
) -> None:
    app = make_app()
    surveyed = survey(app)
    client = await aiohttp_client(app)
    seen = set()
    for route in surveyed.routes:
        for method in methods_of(route):
            headers = {"Origin": ORIGIN, "Host": host_of(route), "X-Forwarded-Proto": "https"}
            async with client.request(method, route.example, headers=headers) as answer:
                allowed = "Access-Control-Allow-Origin" in answer.headers
                secured = "Strict-Transport-Security" in answer.headers
                refused = answer.status == 403
            has_csrf = bool(route["csrf"].policies) and method not in ("GET", "HEAD", "OPTIONS")
            assert allowed is bool(route["cors"].policies), (method, route)
            assert secured is bool(route["https"].policies), (method, route)
            assert refused is has_csrf, (method, route)
            seen.add((allowed, refused))
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


async def test_the_deadline_of_a_request_is_the_surveyed_timeout(
    aiohttp_client: AiohttpClient,
) -> None:
    def make() -> web.Application:
        inner = web.Application()
        inner.router.add_get("/{name}", page)
        inner.router.add_get("/{name}/own", timeout(11)(page))
        routeguard.setup(inner, rule("/x", timeout(12)), timeout(13))
        app = web.Application()
        app.router.add_get("/", page)
        app.router.add_get(r"/items/{id:\d+}", page)
        app.router.add_get("/free", exempt(timeout)(page))
        app.router.add_route("*", "/any", page)
        app.add_subapp("/inner", inner)
        routeguard.setup(
            app,
            rule("/items/7", timeout(14)),
            rule(re.compile(r"/items/\d+"), timeout(15)),
            rule("POST /any", timeout(16)),
            timeout(17),
        )
        return app

    client = await aiohttp_client(make())
    told = {}
    for route in survey(make()).routes:
        for method in methods_of(route):
            if method not in ("GET", "POST", "PUT"):
                continue
            async with client.request(method, route.example) as answer:
                left = await answer.text()
                assert answer.status == 200, (method, route)
            (stated,) = route["timeout"].policies or (timeout(None),)
            assert isinstance(stated, timeout)
            assert left == ("none" if stated.seconds is None else f"{stated.seconds:.0f}")
            told[f"{method} {route.path}"] = (left, route.split_by)
    assert told == {
        "GET /": ("17", ()),
        r"GET /items/{id}": ("15", ('rule 1 "/items/7"', r'rule 2 "/items/\d+"')),
        "GET /free": ("none", ()),
        "GET /any": ("17", ()),
        "POST /any": ("16", ()),
        "PUT /any": ("17", ()),
        "GET /inner/{name}": ("13", ('rule 1 "/x" of /inner',)),
        "GET /inner/{name}/own": ("11", ()),
    }


def test_methods_to_which_the_same_applies_stand_together() -> None:
    class Orders(web.View):
        async def get(self) -> web.Response:
            return await page(self.request)

        async def put(self) -> web.Response:
            return await page(self.request)

        @timeout(1)
        async def delete(self) -> web.Response:
            return await page(self.request)

    app = web.Application()
    app.router.add_view("/view", Orders)
    app.router.add_get("/get", page)
    app.router.add_get("/bare", page, allow_head=False)
    app.router.add_route("*", "/any", page)
    app.router.add_route("*", "/by-method", page)
    app.router.add_route("PROPFIND", "/dav", page)
    routeguard.setup(app, rule("POST /by-method", shield), shield(methods=["GET"]))

    grouped = [(route.path, route.methods) for route in survey(app).routes]
    others = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
    assert grouped == [
        ("/view", ("GET",)),
        ("/view", ("PUT",)),
        ("/view", ("DELETE",)),
        ("/get", ("GET",)),
        ("/get", ("HEAD",)),
        ("/bare", ("GET",)),
        ("/any", ("GET",)),
        ("/any", ("HEAD", *others)),
        ("/by-method", ("GET",)),
        ("/by-method", ("HEAD", *others[1:])),
        ("/by-method", ("POST",)),
        ("/dav", ("PROPFIND",)),
    ]


def test_a_handler_goes_by_its_own_name_or_that_of_its_class() -> None:
    class Callback:
        async def __call__(self, request: web.Request) -> web.Response:
            return await page(request)

    app = web.Application()
    app.router.add_get("/function", timeout(5)(page))
    with pytest.warns(DeprecationWarning, match="Bare functions"):
        app.router.add_post("/object", Callback())
    with pytest.warns(DeprecationWarning, match="Bare functions"):
        app.router.add_post("/guarded", timeout(5)(Callback()))
    app.router.add_static("/files", ".")
    routeguard.setup(app)

    names = [route.handler for route in survey(app).routes]
    assert names[0] == f"{__name__}.page"
    assert names[1].endswith("<locals>.Callback") and names[2] == names[1]
    assert names[3].startswith("files in /")


def test_a_kind_of_the_applications_own_has_an_entry_on_every_route() -> None:
    class audited(Policy):  # noqa: N801
        """A kind that one route states."""

    app = web.Application()
    app.router.add_get("/a", audited()(page))
    app.router.add_get("/b", page)
    routeguard.setup(app)

    surveyed = survey(app)
    assert surveyed.kinds.index("csrf") < surveyed.kinds.index("audited")
    assert surveyed.kinds.index("audited") == surveyed.kinds.index("timeout") - 1
    a, b = surveyed.routes
    assert len(a["audited"].policies) == 1
    assert b["audited"].policies == ()
    with pytest.raises(KeyError):
        a["audit"]


def test_routes_that_no_setup_covers_say_so() -> None:
    inner = web.Application()
    inner.router.add_get("/x", page)
    routeguard.setup(inner)
    app = web.Application()
    app.router.add_get("/y", timeout(5)(page))
    app.add_subapp("/inner", inner)

    assert [(route.path, route.set_up) for route in survey(app).routes] == [
        ("/y", False),
        ("/inner/x", True),
    ]


def test_only_applications_are_surveyed() -> None:
    with pytest.raises(ConfigError, match="the argument is the web"):
        survey("shop:app")  # type: ignore[arg-type]


SEGMENTS = st.sampled_from(["a", "b", "{x}", r"{x:\d+}", "{x:a|b}", "{x:.*}", "1"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
RULES = st.sampled_from(
    [
        *"/a,/b/*,/a/b,/a/*,/1,/{x},/a/{x},/*,GET /a/*,POST /a".split(","),
        *(re.compile(text) for text in (r"/a", r"/\d", r"/[ab]/.*", r"/a/1|/b")),
    ]
)


@given(st.lists(PATHS, min_size=1, max_size=4, unique=True), st.lists(RULES, max_size=4))
@example(["/a", "/{x:a|b}"], ["/a"])
def test_whatever_is_not_said_to_be_split_is_not(
    paths: list[str], rules: list[str | re.Pattern[str]]
) -> None:
    app = web.Application()
    for path in paths:
        if path.count("{x") < 2:
            app.router.add_get(path, page)
    routeguard.setup(app, *(rule(pattern, timeout(i + 1)) for i, pattern in enumerate(rules)))

    surveyed = {route.path: route for route in survey(app).routes}
    for first in ("a", "b", "1", "z"):
        for rest in ("", "/a", "/1", "/z", "/a/b", "/b/1"):
            told = explain(app, "GET", f"/{first}{rest}")
            if told.route is None:
                continue
            route = surveyed[told.route]
            # Two resources of one canonical pattern cannot be told apart by it.
            twins = [path for path in paths if re.sub(r":[^}]*", "", path) == told.route]
            if not route.split_by and len(twins) == 1:
                assert told["timeout"].policies == route["timeout"].policies


async def test_surveying_leaves_the_application_as_it_was(aiohttp_client: AiohttpClient) -> None:
    app = make_app()
    survey(app)
    routeguard.check(app)
    app.router.add_get("/late", page)  # it is not frozen
    client = await aiohttp_client(app)
    async with client.get("/late") as answer:
        assert await answer.text() == "30"
