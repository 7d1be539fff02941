"""In debug mode a preflight of an allowed origin that fails says what is allowed, and still fails.

Whether it fails is told by the Fetch standard's own steps, written down here.
"""

import asyncio
from itertools import product

import pytest
from aiohttp import web
from multidict import CIMultiDictProxy
from pytest_aiohttp import AiohttpClient

from routeguard import cors, rule, setup
from tests.server.cors.answers import EVIL, VARY, A, access_control, asking, ok, vary
from tests.support.extent import part

SAFELISTED = {"GET", "HEAD", "POST"}


def passes(
    method: str, names: set[str], answer: CIMultiDictProxy[str], *, origin: str, credentials: bool
) -> bool:
    """Fetch, section 4.8 (CORS-preflight fetch), steps 7 and 7.1 to 7.7; 4.9 (CORS check)."""
    allowed = answer.get("Access-Control-Allow-Origin")
    if allowed != origin and (allowed != "*" or credentials):
        return False
    if credentials and answer.get("Access-Control-Allow-Credentials") != "true":
        return False

    def listed(name: str) -> list[str]:
        return [part.strip() for part in answer.get(name, "").split(",") if part.strip()]

    methods = listed("Access-Control-Allow-Methods")
    fields = [name.lower() for name in listed("Access-Control-Allow-Headers")]
    wild = not credentials
    if method not in methods and method not in SAFELISTED and not (wild and "*" in methods):
        return False
    if "authorization" in names and "authorization" not in fields:
        return False
    return all(name in fields or (wild and "*" in fields) for name in names)


POLICIES = {
    "default": cors(A),
    "everyone": cors("*"),
    "everyone, all headers": cors("*", allow_headers=["*"]),
    "everyone, all and authorization": cors("*", allow_headers=["*", "authorization"]),
    "credentials": cors(A, allow_credentials=True),
    "credentials, all headers": cors(A, allow_credentials=True, allow_headers="*"),
    "no headers": cors(A, allow_headers=[]),
    "few methods": cors(A, allow_methods=["PUT"], allow_headers=["x-key"]),
    "no methods": cors(A, allow_methods=[]),
    "all methods": cors(A, allow_methods="*", allow_headers=["x-other"]),
}
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "put", "*"]
HEADERS = [None, "", "x-key", "content-type,x-other", "authorization", "Authorization, X-Key", "*"]


def application() -> web.Application:
    app = web.Application()
    for name in POLICIES:
        path = "/" + name.replace(" ", "-")
        app.router.add_get(path, ok)
        app.router.add_put(path, ok)
        app.router.add_delete(path, ok)
        app.router.add_route("*", f"/any{path}", ok)
    rules = [
        rule(f"{before}/{name.replace(' ', '-')}", policy)
        for name, policy in POLICIES.items()
        for before in ("", "/any")
    ]
    setup(app, *rules)
    return app


@pytest.mark.parametrize("before", ["", "/any"])
@pytest.mark.parametrize("name", POLICIES)
async def test_what_is_refused_fails_and_what_is_granted_is_the_same(
    aiohttp_client: AiohttpClient, name: str, before: str
) -> None:
    client = await aiohttp_client(application())
    credentials = POLICIES[name].allow_credentials
    path = f"{before}/{name.replace(' ', '-')}"
    told = 0
    for method, headers in part(product(METHODS, HEADERS), 2):
        names = {one.strip().lower() for one in (headers or "").split(",")} - {""}
        fields = asking(method, headers=headers)
        answers = []
        for debug in (False, True):
            asyncio.get_running_loop().set_debug(debug)
            async with client.options(path, headers=fields) as answer:
                assert await answer.read() == b"" or answer.status == 403
                assert vary(answer) >= VARY
                answers.append((answer.status, access_control(answer)))
                passed = passes(method, names, answer.headers, origin=A, credentials=credentials)
            if not debug:
                granted = passed
                assert passed == (answer.status == 204)
            assert passed == granted, (method, headers, answer.headers)
        (status, plain), (debug_status, in_debug) = answers
        if granted:
            assert (debug_status, in_debug) == (status, plain)
        elif debug_status == 204:
            told += 1
            assert plain == {} and "access-control-max-age" not in in_debug
            assert "*" not in in_debug["access-control-allow-methods"]
            assert "*" not in in_debug.get("access-control-allow-headers", "")
        else:
            assert method == "*"  # which no browser sends
    assert told > 0 or "*" in POLICIES[name].allow_headers


@pytest.mark.parametrize(
    ("path", "fields", "methods", "headers"),
    [
        ("/few-methods", asking("DELETE"), "GET, HEAD, POST, PUT", "x-key"),
        ("/few-methods", asking("PUT", headers="x-other"), "PUT", "x-key"),
        ("/no-methods", asking("PUT"), "GET, HEAD, POST", None),
        ("/no-headers", asking("PATCH", headers="x-a"), "DELETE, GET, HEAD, POST, PUT", ""),
        ("/any/few-methods", asking("DELETE"), "GET, HEAD, POST, PUT", "x-key"),
        (
            "/everyone,-all-headers",
            asking("GET", headers="authorization,x-key"),
            "GET",
            "x-key",
        ),
        (
            "/credentials,-all-headers",
            asking("PATCH", headers="authorization,x-key"),
            "DELETE, GET, HEAD, POST, PUT",
            "authorization, x-key",
        ),
    ],
)
async def test_it_names_what_is_allowed(
    aiohttp_client: AiohttpClient,
    path: str,
    fields: dict[str, str],
    methods: str,
    headers: str | None,
) -> None:
    client = await aiohttp_client(application())
    asyncio.get_running_loop().set_debug(True)
    async with client.options(path, headers=fields) as answer:
        told = access_control(answer)
    assert answer.status == 204
    assert told["access-control-allow-methods"] == methods
    if headers is not None:
        assert told.get("access-control-allow-headers", "") == headers


async def test_an_origin_that_is_refused_gets_no_header(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application())
    asyncio.get_running_loop().set_debug(True)
    async with client.options("/default", headers=asking("PATCH", origin=EVIL)) as answer:
        assert (answer.status, access_control(answer)) == (403, {})
        assert "the origin is not allowed" in await answer.text()


async def test_it_is_logged_as_refused(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="routeguard.cors")
    client = await aiohttp_client(application())
    asyncio.get_running_loop().set_debug(True)
    async with client.options("/default", headers=asking("PATCH")) as answer:
        assert answer.status == 204
    (record,) = [one for one in caplog.records if one.name == "routeguard.cors"]
    assert "the path has no method PATCH" in record.getMessage()


async def test_a_refusal_in_debug_mode_is_not_kept_for_the_next(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await aiohttp_client(application())
    for debug, status in ((True, 204), (False, 403), (True, 204)):
        asyncio.get_running_loop().set_debug(debug)
        async with client.options("/default", headers=asking("PATCH")) as answer:
            assert answer.status == status
