"""Rules that go by a resource: by its canonical pattern, by its text, and when it refuses."""

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

import routeguard
from routeguard import cors, deadline, explain, rule, survey, timeout
from routeguard.routes.rules import Rule

SAML = r"/func/{path:saml/.*$}"
REST = r"/func/{path:.*$}"
ORIGIN = "https://app.example.com"


async def left(request: web.Request) -> web.Response:
    """Answers with the seconds that the handler was given."""
    remaining = deadline(request).remaining
    return web.Response(text="none" if remaining is None else f"{round(remaining)}")


def twins(*entries: Rule | timeout) -> web.Application:
    """Two resources that differ in the regex of `{path}` only."""
    app = web.Application()
    app.router.add_post(SAML, left)
    app.router.add_post(REST, left)
    routeguard.setup(app, *entries)
    return app


# --- the text in full -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "saml", "rest"),
    [
        (SAML, "5", "30"),
        (REST, "30", "5"),
        ("/func/{path}", "5", "5"),
        (f"POST {SAML}", "5", "30"),
        (f"PUT {SAML}", "30", "30"),
        (r"/func/{path:saml/.+$}", "30", "30"),
        (r"/func/{other:saml/.*$}", "30", "30"),
    ],
)
async def test_the_text_names_one_resource_and_the_canonical_pattern_all(
    aiohttp_client: AiohttpClient, pattern: str, saml: str, rest: str
) -> None:
    client = await aiohttp_client(twins(rule(pattern, timeout(5)), timeout(30)))

    for path, expected in [("/func/saml/acs", saml), ("/func/other", rest)]:
        async with client.post(path) as answer:
            assert await answer.text() == expected
        told = explain(twins(rule(pattern, timeout(5)), timeout(30)), "POST", path)
        assert told.policy("timeout") == timeout(float(expected))


async def test_of_several_rules_for_one_resource_the_first_wins_however_it_names_it(
    aiohttp_client: AiohttpClient,
) -> None:
    app = twins(
        rule(SAML, timeout(5)), rule("/func/{path}", timeout(6)), rule(REST, timeout(7)), timeout(9)
    )
    client = await aiohttp_client(app)
    for path, expected in [("/func/saml/acs", "5"), ("/func/other", "6")]:
        async with client.post(path) as answer:
            assert await answer.text() == expected


async def test_the_text_is_relative_to_the_application_like_every_pattern(
    aiohttp_client: AiohttpClient,
) -> None:
    leaf, inner, app = web.Application(), web.Application(), web.Application()
    leaf.router.add_get(r"/{id:\d+}.{kind}", left)
    leaf.router.add_get("/{id:[a-z]+}.{kind}", left)
    routeguard.setup(leaf, rule(r"/{id:\d+}.{kind}", timeout(5)))
    inner.add_subapp("/a.b+c", leaf)
    routeguard.setup(inner, rule("/a.b+c/{id:[a-z]+}.{kind}", timeout(6)))
    app.add_subapp("/in+ner", inner)
    routeguard.setup(app, rule(r"/in+ner/a.b+c/{id:\d+}.{kind}", timeout(7)), timeout(8))

    client = await aiohttp_client(app)
    for name, expected in [("12.txt", "5"), ("ab.txt", "6")]:
        async with client.get(f"/in+ner/a.b+c/{name}") as answer:
            assert await answer.text() == expected


async def test_a_placeholder_without_a_regex_has_the_one_that_aiohttp_gives_it(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/{x}", left)
    app.router.add_get("/{x:.*}", left)
    routeguard.setup(app, rule(r"/{x:[^{}/]+}", timeout(5)), timeout(9))
    client = await aiohttp_client(app)
    for path, expected in [("/a", "5"), ("/a/b", "9")]:
        async with client.get(path) as answer:
            assert await answer.text() == expected


def test_routes_and_explain_tell_resources_of_one_canonical_pattern_apart() -> None:
    app = twins()
    app.router.add_get(r"/items/{id:\d+}", left)

    paths = [route.path for route in survey(app).routes]
    assert paths == [SAML, REST, "/items/{id}"]
    for path, expected in [
        ("/func/saml/acs", SAML),
        ("/func/other", REST),
        ("/items/7", "/items/{id}"),
    ]:
        assert explain(app, "POST" if "func" in path else "GET", path).route == expected


# --- 405 ------------------------------------------------------------------------------------------


async def refused(client_of: AiohttpClient, app: web.Application, path: str, host: str = "") -> str:
    """Which policy's origin a 405 names."""
    client = await client_of(app)
    headers = {"Origin": ORIGIN} | ({"Host": host} if host else {})
    async with client.request("PUT", path, headers=headers) as answer:
        assert answer.status == 405
        return answer.headers.get("Access-Control-Allow-Origin", "none")


def refusing(*entries: Rule | cors) -> web.Application:
    app = web.Application()
    app.router.add_get("/users/{id}", left)
    app.router.add_post("/users/{name}", left)
    app.router.add_get(SAML, left)
    routeguard.setup(app, *entries)
    return app


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/users/{id}", "/users/7", ORIGIN),
        ("/users/{name}", "/users/7", ORIGIN),
        ("PUT /users/{id}", "/users/7", ORIGIN),
        ("GET /users/{id}", "/users/7", "none"),
        ("/users/{id}", "/users/a%2Fb", ORIGIN),
        ("/users/{other}", "/users/7", "none"),
        (SAML, "/func/saml/acs", ORIGIN),
        ("/func/{path}", "/func/saml/acs", ORIGIN),
    ],
)
async def test_a_refused_method_has_the_rules_of_the_resource_that_refused_it(
    aiohttp_client: AiohttpClient, pattern: str, path: str, expected: str
) -> None:
    app = refusing(rule(pattern, cors(ORIGIN)))
    assert await refused(aiohttp_client, app, path) == expected

    told = explain(refusing(rule(pattern, cors(ORIGIN))), "PUT", path)
    assert (told.status, told.policy("cors") is not None) == (405, expected == ORIGIN)


async def test_a_405_of_a_mounted_application_has_the_rules_of_all_around_it(
    aiohttp_client: AiohttpClient,
) -> None:
    def make(*, inner_rule: bool) -> web.Application:
        inner, app = web.Application(), web.Application()
        inner.router.add_get("/{id}", left)
        if inner_rule:
            routeguard.setup(inner, rule("/{id}", cors(ORIGIN)))
        app.add_subapp("/users", inner)
        routeguard.setup(app, rule("/users/{id}", cors("*")))
        return app

    assert await refused(aiohttp_client, make(inner_rule=True), "/users/7") == ORIGIN
    assert await refused(aiohttp_client, make(inner_rule=False), "/users/7") == "*"


async def test_a_405_of_a_domain_has_its_rules(aiohttp_client: AiohttpClient) -> None:
    inner, app = web.Application(), web.Application()
    inner.router.add_get("/{id}", left)
    routeguard.setup(inner, rule("/{id}", cors(ORIGIN)))
    app.add_domain("users.example.com", inner)
    app.router.add_get("/{other}", left)
    assert await refused(aiohttp_client, app, "/7", "users.example.com") == ORIGIN


async def test_a_404_has_the_rules_of_no_resource(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(refusing(rule("/users/{id}", cors("*"))))
    async with client.put("/users", headers={"Origin": ORIGIN}) as answer:
        assert answer.status == 404
        assert "Access-Control-Allow-Origin" not in answer.headers


class Needy(web.PlainResource):
    """A resource that reads more of a request than can be told without one."""

    async def resolve(
        self, request: web.Request
    ) -> "tuple[web.UrlMappingMatchInfo | None, set[str]]":
        return (None, set()) if request.remote else await super().resolve(request)


async def test_a_resource_that_needs_a_request_leaves_a_405_with_the_rules_by_path(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.register_resource(Needy("/users/7"))
    app.router.add_get("/users/{id}", left)
    routeguard.setup(app, rule("/users/{id}", cors(ORIGIN)), cors("*"))
    client = await aiohttp_client(app)
    for path, expected in [("/users/7", "*"), ("/users/8", ORIGIN)]:
        async with client.put(path, headers={"Origin": ORIGIN}) as answer:
            told = (answer.status, answer.headers["Access-Control-Allow-Origin"])
            assert told == (405, expected)
