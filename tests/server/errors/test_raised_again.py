"""The same `HTTPException` object raised for one request after the other: each is answered."""

import asyncio

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from routeguard import Policy, cors, errors, headers, setup

A, B = "https://a.example", "https://b.example"


def shared() -> list[web.HTTPException]:
    return [
        web.HTTPFound("/elsewhere", headers={"X-Kept": "1"}),
        web.HTTPNotFound(text="gone", headers={"X-Kept": "1"}),
        web.HTTPServiceUnavailable(text="later", headers={"X-Kept": "1"}),
    ]


@pytest.mark.parametrize(
    "policies", [[], [errors(ignore=web.HTTPException)]], ids=["cors", "errors"]
)
@pytest.mark.parametrize("number", range(3))
async def test_each_request_is_answered_for_its_own_origin(
    aiohttp_client: AiohttpClient, policies: list[Policy], number: int
) -> None:
    error = shared()[number]
    error.set_cookie("seen", "yes")

    async def handler(request: web.Request) -> web.Response:
        raise error

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, cors([A, B]), *policies)
    client = await aiohttp_client(app)
    seen = []
    for origin in (A, B, "https://evil.example", A):
        asked = {"Origin": origin}
        async with (
            asyncio.timeout(5),
            client.get("/", headers=asked, allow_redirects=False) as answer,
        ):
            assert answer.status == error.status
            assert await answer.text() == error.text
            assert answer.headers.getall("X-Kept") == ["1"]
            assert answer.headers.getall("Set-Cookie") == ["seen=yes; Path=/"]
            assert answer.headers.getall("Vary") == ["Origin"]
            assert len(answer.headers.getall("Date")) == 1
            seen.append(answer.headers.getall("Access-Control-Allow-Origin", []))
    assert seen == [[A], [B], [], [A]]


async def test_one_that_the_handler_prepared_itself_is_sent_once(
    aiohttp_client: AiohttpClient,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        error = web.HTTPNotFound(text="gone")
        await error.prepare(request)
        raise error

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, cors(A))
    client = await aiohttp_client(app)
    for _ in range(2):
        async with client.get("/", headers={"Origin": A}) as answer:
            assert (answer.status, await answer.text()) == (404, "gone")
            assert answer.headers.getall("Access-Control-Allow-Origin") == [A]


async def test_what_policies_wrote_for_one_request_does_not_reach_the_next(
    aiohttp_client: AiohttpClient,
) -> None:
    error = web.HTTPConflict(text="locked", headers={"X-Kept": "1"})

    async def handler(request: web.Request) -> web.Response:
        raise error

    app = web.Application()
    app.router.add_get("/sent", headers({"X-Written": "1"})(handler))
    app.router.add_get("/answered", errors()(handler))
    setup(app)
    client = await aiohttp_client(app)
    for path in ("/sent", "/answered", "/sent", "/answered"):
        async with client.get(path) as answer:
            assert answer.status == 409
            assert answer.headers.getall("X-Kept") == ["1"]
            written = ["1"] if path == "/sent" else []
            assert answer.headers.getall("X-Written", []) == written
