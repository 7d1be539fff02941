"""Methods: HEAD and OPTIONS, methods of one's own, and routes for any of them."""

import pytest
from aiohttp import web
from aiohttp.web_urldispatcher import PlainResource
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import cors, exempt, explain, rule, timeout
from tests.support.seen import PAGE, Client, answer, send

TELLS = "Access-Control-Expose-Headers"


def tag(name: str) -> cors:
    """A policy that names itself on every response, whatever its method and status."""
    return cors("*", expose_headers=name)


async def met(client: Client, method: str, path: str) -> str | None:
    async with send(client, method, path) as response:
        return response.headers.get(TELLS)


def told(app: web.Application, method: str, path: str) -> str | None:
    policy = explain(app, method, path).policy("cors")
    return policy.expose_headers[0] if isinstance(policy, cors) else None


async def expect(
    aiohttp_client: AiohttpClient,
    app: web.Application,
    expected: dict[tuple[str, str], str | None],
) -> None:
    explained = {asked: told(app, *asked) for asked in expected}
    client = await aiohttp_client(app)
    for _ in range(2):
        assert {asked: await met(client, *asked) for asked in expected} == expected
    assert explained == expected


async def test_head_goes_with_get(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/decorated", tag("d")(answer))
    app.router.add_get("/ruled", answer)
    app.router.add_get("/listed", answer)
    app.router.add_get("/headless", tag("d")(answer), allow_head=False)
    app.router.add_head("/own", tag("h")(answer))
    app.router.add_get("/own", tag("d")(answer), allow_head=False)
    routeguard.setup(
        app,
        rule("GET /ruled", tag("g")),
        rule("/listed", tag("l"), methods=["HEAD"]),
        rule("GET /headless", tag("r")),
    )
    await expect(
        aiohttp_client,
        app,
        {
            ("GET", "/decorated"): "d",
            ("HEAD", "/decorated"): "d",
            ("GET", "/ruled"): "g",
            ("HEAD", "/ruled"): "g",
            ("POST", "/ruled"): None,
            ("GET", "/listed"): None,
            ("HEAD", "/listed"): "l",
            ("GET", "/headless"): "d",
            ("HEAD", "/headless"): "r",
            ("GET", "/own"): "d",
            ("HEAD", "/own"): "h",
        },
    )


async def test_options_that_are_no_preflight(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_options("/own", tag("o")(answer))
    app.router.add_get("/own", tag("d")(answer))
    app.router.add_get("/other", tag("d")(answer))
    routeguard.setup(app, rule("OPTIONS /other", tag("r")), tag("f"))
    await expect(
        aiohttp_client,
        app,
        {
            ("OPTIONS", "/own"): "o",
            ("GET", "/own"): "d",
            ("OPTIONS", "/other"): "r",
            ("GET", "/other"): "d",
            ("OPTIONS", "/gone"): "f",
        },
    )
    client = await aiohttp_client(app)
    for headers in ({"Origin": PAGE}, {"Access-Control-Request-Method": "GET"}):
        async with client.options("/own", headers=headers) as response:
            assert (response.status, response.headers[TELLS]) == (200, "o")
        async with client.options("/other", headers=headers) as response:
            assert (response.status, response.headers[TELLS]) == (405, "r")


async def test_one_path_with_a_policy_for_each_method(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    for method in ("GET", "POST", "PUT"):
        app.router.add_route(method, "/x", tag(method.lower())(answer))
        app.router.add_route(method, "/users/{id}", answer)
    routeguard.setup(
        app,
        rule("GET /users/{id}", tag("get")),
        rule("/users/{id}", tag("post"), methods="POST"),
        rule("PUT /users/7", tag("put")),
        rule("DELETE /users/*", tag("gone")),
    )
    await expect(
        aiohttp_client,
        app,
        {
            ("GET", "/x"): "get",
            ("POST", "/x"): "post",
            ("PUT", "/x"): "put",
            ("PATCH", "/x"): None,
            ("GET", "/users/7"): "get",
            ("HEAD", "/users/7"): "get",
            ("POST", "/users/7"): "post",
            ("PUT", "/users/7"): "put",
            ("PUT", "/users/8"): None,
            ("DELETE", "/users/8"): "gone",
        },
    )


async def test_a_route_for_any_method_is_split_by_the_methods_of_rules(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    for path in ("/x", "/users/{id}", "/deep/{tail:.*}"):
        app.router.add_route("*", path, answer)
    routeguard.setup(
        app,
        *(rule(f"GET {path}", tag("get")) for path in ("/x", "/users/{id}", "/deep/*")),
        *(rule(f"LOCK,propfind {path}", tag("dav")) for path in ("/x", "/users/{id}", "/deep/*")),
        tag("else"),
    )
    expected: dict[tuple[str, str], str | None] = {}
    for path in ("/x", "/users/7", "/deep/a/b"):
        for method, name in (
            ("POST", "else"),
            ("GET", "get"),
            ("LOCK", "dav"),
            ("PROPFIND", "dav"),
            ("HEAD", "get"),
            ("UNLOCK", "else"),
        ):
            expected[method, path] = name
    await expect(aiohttp_client, app, expected)


async def test_a_method_that_http_does_not_know(aiohttp_client: AiohttpClient) -> None:
    """aiohttp reads a fixed list of methods; among them some that no resource of it has."""
    app = web.Application()
    app.router.add_route("*", "/x", timeout(1)(answer))
    app.router.add_route("REPORT", "/y", tag("y")(answer))
    app.router.add_view("/view", type("Page", (web.View,), {"get": lambda self: None}))
    routeguard.setup(app, rule("M-SEARCH /x", tag("m")), tag("f"))
    await expect(
        aiohttp_client,
        app,
        {
            ("M-SEARCH", "/x"): "m",
            ("REPORT", "/y"): "y",
            ("REPORT", "/view"): "f",
            ("SUBSCRIBE", "/x"): "f",
        },
    )


@pytest.mark.parametrize("mounted", [False, True])
async def test_405_in_the_path_of_several_resources(
    aiohttp_client: AiohttpClient, mounted: bool
) -> None:
    app = web.Application()
    app.router.add_get("/x/{id}", tag("get")(answer))
    app.router.add_post("/x/{name}", tag("post")(answer))
    app.router.add_put("/x/7", exempt(cors)(answer))
    routeguard.setup(app, rule("/x/*", tag("path")), rule("/x/{id}", tag("never")))
    served, prefix = app, ""
    if mounted:
        served, prefix = web.Application(), "/in"
        served.add_subapp(prefix, app)
    await expect(
        aiohttp_client,
        served,
        {
            ("GET", f"{prefix}/x/7"): "get",
            ("POST", f"{prefix}/x/7"): "post",
            ("PUT", f"{prefix}/x/7"): None,
            ("PATCH", f"{prefix}/x/7"): "path",
            ("PUT", f"{prefix}/x/8"): "path",
        },
    )


class Lenient(PlainResource):
    """A resource of somebody's own: one GET route serves more methods, and more paths."""

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        if request.rel_url.path.rstrip("/").lower() != self.canonical:
            return None, set()
        if request.method not in ("GET", "REPORT"):
            return None, {"GET", "REPORT"}
        (route,) = self
        return web.UrlMappingMatchInfo({}, route), {"GET"}


async def test_a_resource_that_serves_other_methods_and_paths_than_its_canonical_one(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    lenient = Lenient("/x")
    lenient.add_route("GET", answer)
    app.router.register_resource(lenient)
    routeguard.setup(app, rule("REPORT /x", tag("report")), rule("/x/", tag("slash")), tag("f"))
    await expect(
        aiohttp_client,
        app,
        {
            ("GET", "/x"): "f",
            ("REPORT", "/x"): "report",
            ("GET", "/x/"): "slash",
            ("POST", "/x"): "f",
        },
    )
