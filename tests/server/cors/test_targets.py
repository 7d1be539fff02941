"""Which route a preflight asks about: views, any-method routes, sub-applications, domains."""

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from routeguard import cors, exempt, rule, setup
from tests.server.cors.answers import EVIL, A, B, access_control, asking, is_refused, ok


async def granted(
    client: aiohttp.test_utils.TestClient[web.Request, web.Application],
    path: str,
    method: str = "GET",
    origin: str = A,
    host: str | None = None,
) -> bool:
    """Whether a preflight is granted; refused, it has to look like a refusal."""
    fields = asking(method, origin=origin)
    if host is not None:
        fields["Host"] = host
    async with client.options(path, headers=fields) as response:
        return not await is_refused(response)


# --- views ----------------------------------------------------------------------------------------


@cors(A)
class Orders(web.View):
    async def get(self) -> web.Response:
        return web.Response(text="get")

    @cors(B)
    async def put(self) -> web.Response:
        return web.Response(text="put")

    @exempt(cors)
    async def delete(self) -> web.Response:
        return web.Response(text="delete")


class Archived(Orders):
    async def patch(self) -> web.Response:
        return web.Response(text="patch")


class Answering(Orders):
    async def options(self) -> web.Response:
        return web.Response(text="own")


async def test_a_view_answers_for_the_methods_it_defines(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_view("/orders", Orders)
    app.router.add_view("/archived", Archived)
    setup(app)
    client = await aiohttp_client(app)

    for path in ("/orders", "/archived"):
        assert await granted(client, path, "GET")
        assert not await granted(client, path, "GET", EVIL)
        assert await granted(client, path, "PUT", B)
        assert not await granted(client, path, "PUT", A)
        async with client.options(path, headers=asking("DELETE")) as response:
            assert response.status == 405
            assert access_control(response) == {}
        async with client.put(path, headers={"Origin": B}) as response:
            assert access_control(response) == {"access-control-allow-origin": B}
        async with client.put(path, headers={"Origin": A}) as response:
            assert access_control(response) == {}
    assert not await granted(client, "/orders", "PATCH")
    assert await granted(client, "/archived", "PATCH")


@pytest.mark.parametrize("method", ["REQUEST", "PREPARE", "__INIT__", "_ITER", "TRACE", "*"])
async def test_an_attribute_of_a_view_is_no_method(
    aiohttp_client: AiohttpClient, method: str
) -> None:
    app = web.Application()
    app.router.add_view("/", Orders)
    setup(app)
    client = await aiohttp_client(app)
    assert not await granted(client, "/", method)


async def test_an_options_method_of_a_view_serves_what_is_no_preflight(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_view("/", Answering)
    setup(app)
    client = await aiohttp_client(app)
    assert await granted(client, "/", "GET")
    async with client.options("/", headers={"Origin": A}) as response:
        assert await response.text() == "own"
        assert access_control(response) == {"access-control-allow-origin": A}
    async with client.options("/", headers=asking("DELETE")) as response:
        assert await response.text() == "own"
        assert access_control(response) == {}


# --- routes ---------------------------------------------------------------------------------------


async def test_a_route_for_any_method(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_put("/", cors(B)(ok))
    app.router.add_route("*", "/", cors(A)(ok))
    setup(app)
    client = await aiohttp_client(app)
    for method in ("GET", "DELETE", "PATCH", "OPTIONS"):
        assert await granted(client, "/", method)
        assert not await granted(client, "/", method, B)
    assert await granted(client, "/", "PUT", B)
    assert not await granted(client, "/", "PUT", A)


async def test_two_resources_that_share_a_path(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/items/{id}", cors(A)(ok))
    app.router.add_put("/items/{name}", cors(B)(ok))
    app.router.add_delete("/items/all", cors(A)(ok))
    setup(app)
    client = await aiohttp_client(app)
    assert await granted(client, "/items/all", "GET", A)
    assert await granted(client, "/items/all", "PUT", B)
    assert not await granted(client, "/items/all", "PUT", A)
    assert await granted(client, "/items/all", "DELETE", A)
    async with client.options("/items/7", headers=asking("DELETE")) as response:
        assert response.status == 405
        assert access_control(response) == {}


async def test_rules_for_a_method_and_for_a_part_of_a_route(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_route("*", "/files/{tail:.*}", ok)
    setup(
        app,
        rule("PUT,DELETE /files/*", cors(B)),
        rule("/files/public/*", cors("*")),
        rule("/files/private/*", exempt(cors)),
        cors(A),
    )
    client = await aiohttp_client(app)
    for _ in range(2):
        assert await granted(client, "/files/x", "GET")
        assert not await granted(client, "/files/x", "PUT")
        assert await granted(client, "/files/x", "PUT", B)
        assert await granted(client, "/files/public/x", "GET", EVIL)
        assert not await granted(client, "/files/public/x", "PUT", EVIL)
        # Two spellings of one place have one policy.
        assert not await granted(client, "/files/public/../x", "GET", EVIL)
        assert await granted(client, "/files/x/../public/y", "GET", EVIL)
        for path in ("/files/private/x", "/files%2Fprivate%2Fx", "/files/public/../private/x"):
            async with client.get(path, headers={"Origin": A}) as response:
                real = access_control(response)
            async with client.options(path, headers=asking("GET")) as response:
                assert access_control(response) == {} == real, path


async def test_a_static_route(aiohttp_client: AiohttpClient, tmp_path: object) -> None:
    app = web.Application()
    app.router.add_static("/static", str(tmp_path))
    setup(app, rule("/static/*", cors(A)))
    client = await aiohttp_client(app)
    assert await granted(client, "/static/app.js", "GET")
    assert not await granted(client, "/static/app.js", "GET", EVIL)
    assert not await granted(client, "/static/app.js", "PUT")


# --- applications within applications -------------------------------------------------------------


async def test_a_sub_application_answers_by_its_own_policies(aiohttp_client: AiohttpClient) -> None:
    root, api = web.Application(), web.Application()
    api.router.add_get("/orders", ok)
    api.router.add_put("/orders", cors(B)(ok))
    setup(api, cors(A))
    root.router.add_get("/page", ok)
    setup(root, cors("*"))
    root.add_subapp("/api", api)
    client = await aiohttp_client(root)
    assert await granted(client, "/api/orders", "GET", A)
    assert not await granted(client, "/api/orders", "GET", EVIL)
    assert await granted(client, "/api/orders", "PUT", B)
    assert not await granted(client, "/api/orders", "PUT", A)
    assert await granted(client, "/api/gone", "GET", A)
    assert not await granted(client, "/api/gone", "GET", EVIL)
    assert await granted(client, "/page", "GET", EVIL)
    for path, origin, expected in (
        ("/api/orders", A, A),
        ("/api/orders", EVIL, None),
        ("/api/gone", A, A),
        ("/page", EVIL, "*"),
    ):
        async with client.get(path, headers={"Origin": origin}) as response:
            assert access_control(response).get("access-control-allow-origin") == expected


async def test_a_sub_application_that_is_set_up_alone(aiohttp_client: AiohttpClient) -> None:
    root, api = web.Application(), web.Application()
    api.router.add_get("/orders", ok)
    setup(api, rule("/orders", cors(A)), rule("/gone", cors(B)))
    root.router.add_get("/page", ok)
    root.add_subapp("/api", api)
    client = await aiohttp_client(root)
    assert await granted(client, "/api/orders", "GET", A)
    assert not await granted(client, "/api/orders", "GET", B)
    assert await granted(client, "/api/gone", "GET", B)
    async with client.options("/page", headers=asking("GET")) as response:
        assert response.status == 405
        assert access_control(response) == {}


async def test_a_target_beside_the_sub_application_that_the_preflight_reached(
    aiohttp_client: AiohttpClient,
) -> None:
    """OPTIONS falls to the sub-application, the method that it asks about to the root's route."""
    root, api = web.Application(), web.Application()
    api.router.add_get("/orders", ok)
    setup(api, cors(A))
    root.router.add_put("/api/import", ok)
    root.add_subapp("/api", api)
    client = await aiohttp_client(root)
    async with client.options("/api/import", headers=asking("PUT")) as response:
        assert response.status == 404  # the sub-application's own business
        assert access_control(response) == {}
    async with client.put("/api/import", headers={"Origin": A}) as response:
        assert response.status == 200
        assert access_control(response) == {}


async def test_nested_sub_applications(aiohttp_client: AiohttpClient) -> None:
    root, outer, inner = web.Application(), web.Application(), web.Application()
    inner.router.add_put("/x", ok)
    inner.router.add_get("/x", ok)
    setup(inner, rule("PUT /x", cors(B)))
    outer.add_subapp("/inner", inner)
    setup(outer, rule("/inner/*", cors(A)))
    root.add_subapp("/outer", outer)
    client = await aiohttp_client(root)
    assert await granted(client, "/outer/inner/x", "PUT", B)
    assert not await granted(client, "/outer/inner/x", "PUT", A)
    assert await granted(client, "/outer/inner/x", "GET", A)
    assert not await granted(client, "/outer/inner/x", "GET", B)


async def test_domains_are_matched_by_host(aiohttp_client: AiohttpClient) -> None:
    root, shop, blog = web.Application(), web.Application(), web.Application()
    shop.router.add_put("/", ok)
    setup(shop, cors(A))
    blog.router.add_put("/", ok)
    setup(blog, cors(B))
    setup(root, cors("https://root.example"))
    root.add_domain("shop.example", shop)
    root.add_domain("*.blog.example", blog)
    root.router.add_get("/", ok)
    client = await aiohttp_client(root)
    for _ in range(2):
        assert await granted(client, "/", "PUT", A, host="shop.example")
        assert not await granted(client, "/", "PUT", B, host="shop.example")
        assert await granted(client, "/", "PUT", B, host="a.blog.example")
        assert not await granted(client, "/", "PUT", A, host="a.blog.example")
        assert not await granted(client, "/", "PUT", A, host="other.example")
        assert await granted(client, "/", "GET", "https://root.example", host="other.example")
