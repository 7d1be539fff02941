"""Who is allowed: the decisions of `cors` on ordinary requests, as a client sees them."""

import re
from collections.abc import Collection

import pytest
from aiohttp import hdrs, web
from pytest_aiohttp import AiohttpClient
from yarl import URL

from routeguard import cors, setup
from tests.server.cors.answers import EVIL, A, B, access_control, ok, serving, vary

# --- origins --------------------------------------------------------------------------------------

Given = str | re.Pattern[str] | URL | Collection[str | re.Pattern[str] | URL]

ORIGINS: list[tuple[Given, str, str]] = [
    (A, A, B),
    ([A, B], B, EVIL),
    (URL(A), A, B),
    ("https://*.a.example", "https://x.y.a.example", "https://a.example"),
    ("http://localhost:*", "http://localhost:5173", "https://localhost:5173"),
    ("http://localhost:*", "http://localhost", "http://localhost.evil.example"),
    ("https://*.a.example:*", "https://x.a.example:8443", "https://a.example:8443"),
    ("http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8081"),
    ("http://127.0.0.1:*", "http://127.0.0.1:3000", "http://127.0.0.11:3000"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", "https://bcher.example"),
    ("https://my_app.example", "https://my_app.example", "https://my-app.example"),
    (re.compile(r"https://pr-\d+\.a\.example"), "https://pr-12.a.example", f"{A}.evil.example"),
    ("null", "null", EVIL),
    (["null", A], "null", "NULL"),
]


@pytest.mark.parametrize(("origins", "allowed", "refused"), ORIGINS, ids=str)
@pytest.mark.parametrize("credentials", [False, True])
async def test_an_allowed_origin_is_named_and_a_refused_one_gets_no_header(
    aiohttp_client: AiohttpClient, origins: Given, allowed: str, refused: str, credentials: bool
) -> None:
    if credentials and (origins == "null" or (isinstance(origins, list) and "null" in origins)):
        credentials = False
    client = await aiohttp_client(serving(cors(origins, allow_credentials=credentials)))

    async with client.get("/", headers={"Origin": allowed}) as response:
        assert response.status == 200
        assert await response.text() == "ok"
        expected = {"access-control-allow-origin": allowed}
        if credentials:
            expected["access-control-allow-credentials"] = "true"
        assert access_control(response) == expected
        assert vary(response) == {"origin"}

    async with client.get("/", headers={"Origin": refused}) as response:
        assert response.status == 200
        assert await response.text() == "ok"
        assert access_control(response) == {}
        assert vary(response) == {"origin"}

    async with client.get("/") as response:
        assert access_control(response) == {}
        assert vary(response) == {"origin"}


@pytest.mark.parametrize(
    "origins",
    [A, "https://*.example", "https://a.example:*", re.compile(r"https://\w\.example")],
    ids=str,
)
@pytest.mark.parametrize("spelling", ["HTTPS://a.example", "https://A.Example", A.upper()])
async def test_scheme_and_host_are_compared_in_lower_case(
    aiohttp_client: AiohttpClient, origins: str, spelling: str
) -> None:
    client = await aiohttp_client(serving(cors(origins)))
    async with client.get("/", headers={"Origin": spelling}) as response:
        assert access_control(response) == {"access-control-allow-origin": A}


@pytest.mark.parametrize("origins", ["*", ["*"], [A, "*"], [re.compile("https://x"), "*"]], ids=str)
@pytest.mark.parametrize(
    "origin", [None, A, "null", "garbage", "https://a.example:443", "x" * 4_000]
)
async def test_everyone_gets_the_same_answer_which_does_not_vary(
    aiohttp_client: AiohttpClient, origins: str, origin: str | None
) -> None:
    client = await aiohttp_client(serving(cors(origins, expose_headers="X-Total")))
    headers = {} if origin is None else {"Origin": origin}
    async with client.get("/", headers=headers) as response:
        assert access_control(response) == {
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "X-Total",
        }
        assert hdrs.VARY not in response.headers


@pytest.mark.parametrize("origins", [A, "https://*.example", re.compile(".*"), "null"], ids=str)
async def test_a_literal_star_is_no_origin(aiohttp_client: AiohttpClient, origins: str) -> None:
    client = await aiohttp_client(serving(cors(origins)))
    for origin in ("*", "https://*", "https://*.example", "http://localhost:*"):
        async with client.get("/", headers={"Origin": origin}) as response:
            assert access_control(response) == {}


# --- credentials ----------------------------------------------------------------------------------


async def everybody(origin: str) -> bool:
    return True


@pytest.mark.parametrize("origins", [re.compile(".*"), re.compile("null"), everybody], ids=str)
async def test_null_is_never_admitted_with_credentials(
    aiohttp_client: AiohttpClient, origins: re.Pattern[str]
) -> None:
    with_credentials = await aiohttp_client(serving(cors(origins, allow_credentials=True)))
    async with with_credentials.get("/", headers={"Origin": "null"}) as response:
        assert access_control(response) == {}
        assert vary(response) == {"origin"}
    without = await aiohttp_client(serving(cors(origins)))
    async with without.get("/", headers={"Origin": "null"}) as response:
        assert access_control(response) == {"access-control-allow-origin": "null"}


async def test_cookies_alone_change_nothing(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(serving(cors("*")))
    async with client.get("/", headers={"Origin": A, "Cookie": "session=1"}) as response:
        assert access_control(response) == {"access-control-allow-origin": "*"}


# --- exposed headers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposed", "sent"),
    [
        (["X-Total"], "X-Total"),
        (["X-Total", "ETag"], "X-Total, ETag"),
        ("*", "*"),
        (["X-Total", "*"], "*"),
        ((), None),
    ],
)
async def test_exposed_headers_are_told_to_allowed_origins_only(
    aiohttp_client: AiohttpClient, exposed: list[str], sent: str | None
) -> None:
    client = await aiohttp_client(serving(cors(A, expose_headers=exposed)))
    async with client.get("/", headers={"Origin": A}) as response:
        assert access_control(response).get("access-control-expose-headers") == sent
    async with client.get("/", headers={"Origin": B}) as response:
        assert access_control(response) == {}


async def test_ordinary_answers_carry_nothing_that_belongs_to_preflights(
    aiohttp_client: AiohttpClient,
) -> None:
    policy = cors(A, allow_methods="*", allow_headers="*", max_age=600)
    client = await aiohttp_client(serving(policy))
    asking = {
        "Origin": A,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-a",
    }
    async with client.get("/", headers=asking) as response:
        assert access_control(response) == {"access-control-allow-origin": A}
        assert vary(response) == {"origin"}


# --- routes of one application --------------------------------------------------------------------


async def test_a_route_without_policy_is_left_alone(aiohttp_client: AiohttpClient) -> None:
    async def own(request: web.Request) -> web.Response:
        return web.Response(headers={"Access-Control-Allow-Origin": "https://own.example"})

    app = web.Application()
    app.router.add_get("/with", cors(A)(ok))
    app.router.add_get("/without", ok)
    app.router.add_get("/own", own)
    setup(app)
    client = await aiohttp_client(app)
    async with client.get("/with", headers={"Origin": A}) as response:
        assert access_control(response) == {"access-control-allow-origin": A}
    async with client.get("/without", headers={"Origin": A}) as response:
        assert access_control(response) == {}
        assert hdrs.VARY not in response.headers
    async with client.get("/own", headers={"Origin": A}) as response:
        assert access_control(response) == {"access-control-allow-origin": "https://own.example"}


async def test_two_policies_do_not_know_of_each_other(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/a", cors(A, allow_credentials=True, expose_headers="X-A")(ok))
    app.router.add_get("/b", cors(B)(ok))
    setup(app)
    client = await aiohttp_client(app)
    for path, allowed, refused in (("/a", A, B), ("/b", B, A)):
        async with client.get(path, headers={"Origin": allowed}) as response:
            assert access_control(response)["access-control-allow-origin"] == allowed
            assert ("access-control-expose-headers" in access_control(response)) == (path == "/a")
        async with client.get(path, headers={"Origin": refused}) as response:
            assert access_control(response) == {}
