"""Preflights (Fetch, CORS-preflight request): what is granted, what is refused, and how."""

import pytest
from aiohttp import web
from multidict import CIMultiDict
from pytest_aiohttp import AiohttpClient

from routeguard import cors, exempt, setup
from tests.server.cors.answers import EVIL, VARY, A, B, access_control, asking, is_refused, ok, vary


async def test_a_granted_preflight(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    policy = cors(
        A,
        allow_methods=["PUT"],
        allow_headers=["X-Key", "X-Other"],
        expose_headers=["X-Total"],
        allow_credentials=True,
        max_age=600,
    )
    app.router.add_put("/", policy(ok))
    setup(app)
    client = await aiohttp_client(app)
    async with client.options("/", headers=asking("PUT", headers="x-key")) as response:
        assert response.status == 204
        assert await response.read() == b""
        assert "Content-Length" not in response.headers
        # Only what was asked for; exposing is the business of the answer itself.
        assert access_control(response) == {
            "access-control-allow-origin": A,
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "PUT",
            "access-control-allow-headers": "x-key",
            "access-control-max-age": "600",
        }
        assert vary(response) == {"origin", *VARY}


async def test_a_granted_preflight_for_everyone_does_not_vary_by_origin(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", cors("*")(ok))
    setup(app)
    client = await aiohttp_client(app)
    async with client.options("/", headers=asking()) as response:
        assert response.status == 204
        assert access_control(response) == {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET",
        }
        assert vary(response) == VARY
    async with client.options("/", headers=asking(headers="x-key")) as response:
        assert await is_refused(response)
        assert vary(response) == VARY


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        (EVIL, "GET", None),
        ("", "GET", None),
        ("null", "GET", None),
        (A, "DELETE", None),
        (A, "get", None),
        (A, "", None),
        (A, "GET POST", None),
        (A, "GET,PUT", None),
        (A, "G\u00c9T", None),
        (A, "GET", "x-key"),
        (A, "GET", "accept x-key"),
        (A, "GET", "accept:"),
        (A, "GET", "x-tok\u00e9n"),
        (A, "GET", "accept;x-key"),
    ],
)
async def test_a_refused_preflight(
    aiohttp_client: AiohttpClient, origin: str, method: str, headers: str | None
) -> None:
    app = web.Application()
    app.router.add_get("/", ok)
    app.router.add_put("/", ok)
    setup(app, cors(A, max_age=600, allow_credentials=True))
    client = await aiohttp_client(app)
    fields = asking(method, origin=origin, headers=headers)
    async with client.options("/", headers=fields) as response:
        assert await is_refused(response)
        assert vary(response) == {"origin", *VARY}


async def test_two_lines_of_asked_headers_are_read_together(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/", cors(A, allow_headers=["x-a", "x-b"])(ok))
    setup(app)
    client = await aiohttp_client(app)
    fields = CIMultiDict(asking(headers="x-a"))
    fields.add("Access-Control-Request-Headers", "X-B, x-a")
    async with client.options("/", headers=fields) as response:
        assert access_control(response)["access-control-allow-headers"] == "x-a, x-b"
    fields.add("Access-Control-Request-Headers", "x-c")
    async with client.options("/", headers=fields) as response:
        assert await is_refused(response)


async def test_two_asked_methods_are_refused(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/", cors(A)(ok))
    setup(app)
    client = await aiohttp_client(app)
    fields = CIMultiDict(asking("GET"))
    fields.add("Access-Control-Request-Method", "GET")
    async with client.options("/", headers=fields) as response:
        assert await is_refused(response)


async def test_two_origins_are_refused(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/", cors(A)(ok))
    setup(app)
    client = await aiohttp_client(app)
    fields = CIMultiDict(asking("GET"))
    fields.add("Origin", A)
    async with client.options("/", headers=fields) as response:
        assert await is_refused(response)


# --- methods --------------------------------------------------------------------------------------


async def test_each_method_of_a_path_answers_by_its_own_policy(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", ok)
    app.router.add_put("/", cors(A, max_age=1)(ok))
    app.router.add_delete("/", cors([A, B], max_age=2, allow_credentials=True)(ok))
    app.router.add_patch("/", exempt(cors)(ok))
    setup(app, cors("*", max_age=3))
    client = await aiohttp_client(app)

    async def told(method: str, origin: str) -> dict[str, str]:
        async with client.options("/", headers=asking(method, origin=origin)) as response:
            return access_control(response)

    for _ in range(2):  # the second answers come out of what the first have left
        assert (await told("PUT", A))["access-control-max-age"] == "1"
        assert await told("PUT", B) == {}
        assert (await told("DELETE", A))["access-control-max-age"] == "2"
        assert (await told("DELETE", B))["access-control-allow-credentials"] == "true"
        assert await told("DELETE", EVIL) == {}
        assert (await told("GET", EVIL))["access-control-allow-origin"] == "*"
        assert await told("PATCH", A) == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("allow_methods", [None, [], ["PUT"]])
async def test_safelisted_methods_always_pass(
    aiohttp_client: AiohttpClient, method: str, allow_methods: list[str] | None
) -> None:
    app = web.Application()
    app.router.add_route("*", "/any", ok)
    app.router.add_put("/put", ok)
    setup(app, cors(A, allow_methods=allow_methods))
    client = await aiohttp_client(app)
    for path in ("/any", "/put"):
        async with client.options(path, headers=asking(method)) as response:
            assert not await is_refused(response)
            assert access_control(response)["access-control-allow-methods"] == method


async def test_a_method_that_is_listed_but_not_routed_is_refused(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/", ok)
    setup(app, cors(A, allow_methods=["PUT"]))
    client = await aiohttp_client(app)
    async with client.options("/", headers=asking("PUT")) as response:
        assert await is_refused(response)


async def test_a_star_as_the_asked_method_is_refused(aiohttp_client: AiohttpClient) -> None:
    """`*` in an answer would stand for every method of the path, whatever their policies say."""
    app = web.Application()
    app.router.add_put("/shared", cors(B)(ok))
    app.router.add_route("*", "/shared", cors(A, max_age=600)(ok))
    app.router.add_route("*", "/all", cors(A, allow_methods="*")(ok))
    app.router.add_get("/get", cors(A)(ok))
    setup(app, cors(A))
    client = await aiohttp_client(app)
    for path in ("/shared", "/all", "/get", "/nowhere"):
        async with client.options(path, headers=asking("*")) as response:
            assert access_control(response).get("access-control-allow-methods") != "*", path
            assert await is_refused(response)
