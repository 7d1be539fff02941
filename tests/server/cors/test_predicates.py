"""Predicates: sync and async, with and without the request, and what becomes of their failures."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from multidict import CIMultiDict
from pytest_aiohttp import AiohttpClient

from routeguard import cors, https, setup
from tests.server.cors.answers import EVIL, A, access_control, ok, serving, vary

Verdict = bool | Awaitable[bool]
ASKING = {"Origin": A, "Access-Control-Request-Method": "GET"}


def sync_one(origin: str) -> bool:
    return origin == A


async def async_one(origin: str) -> bool:
    await asyncio.sleep(0)
    return origin == A


def sync_two(origin: str, request: web.Request) -> bool:
    return origin == A and request.query.get("tenant") == "a"


async def async_two(origin: str, request: web.Request) -> bool:
    await asyncio.sleep(0)
    return origin == A and request.query.get("tenant") == "a"


class Tenants:
    async def __call__(self, origin: str) -> bool:
        return origin == A

    def includes(self, origin: str, request: web.Request) -> Awaitable[bool]:
        return self(origin)


@pytest.mark.parametrize(
    "predicate",
    [sync_one, async_one, sync_two, async_two, Tenants(), Tenants().includes, {A}.__contains__],
)
async def test_a_predicate_decides(
    aiohttp_client: AiohttpClient, predicate: Callable[..., Verdict]
) -> None:
    client = await aiohttp_client(serving(cors(predicate, allow_credentials=True)))
    granted = {"access-control-allow-origin": A, "access-control-allow-credentials": "true"}
    async with client.get("/?tenant=a", headers={"Origin": A}) as response:
        assert access_control(response) == granted
        assert vary(response) == {"origin"}
    async with client.options("/?tenant=a", headers=ASKING) as response:
        assert response.status == 204
        assert access_control(response) == {**granted, "access-control-allow-methods": "GET"}
    async with client.get("/?tenant=a", headers={"Origin": EVIL}) as response:
        assert access_control(response) == {}
        assert vary(response) == {"origin"}
    async with client.options("/?tenant=a", headers={**ASKING, "Origin": EVIL}) as response:
        assert response.status == 403
        assert access_control(response) == {}


@pytest.mark.parametrize("predicate", [sync_two, async_two])
async def test_a_predicate_that_takes_the_request_reads_it(
    aiohttp_client: AiohttpClient, predicate: Callable[..., Verdict]
) -> None:
    client = await aiohttp_client(serving(cors(predicate)))
    async with client.get("/?tenant=b", headers={"Origin": A}) as response:
        assert access_control(response) == {}


async def test_a_predicate_sees_the_scheme_that_the_client_used(
    aiohttp_client: AiohttpClient,
) -> None:
    """`https` is outside `cors`, for the preflight as for the request itself."""
    seen: list[tuple[str, str]] = []

    def listen(origin: str, request: web.Request) -> bool:
        seen.append((request.method, request.scheme))
        return True

    app = web.Application()
    app.router.add_get("/", ok)
    setup(app, cors(listen), https())
    client = await aiohttp_client(app)
    for method in ("OPTIONS", "GET"):
        headers = {**ASKING, "X-Forwarded-Proto": "https"}
        async with client.request(method, "/", headers=headers) as response:
            assert access_control(response)["access-control-allow-origin"] == A
    assert seen == [("OPTIONS", "https"), ("GET", "https")]


async def test_a_predicate_hears_of_origins_only_and_in_lower_case(
    aiohttp_client: AiohttpClient,
) -> None:
    heard: list[str] = []

    def listen(origin: str) -> bool:
        heard.append(origin)
        return True

    client = await aiohttp_client(serving(cors(listen)))
    for origin in ("HTTPS://A.Example", "http://[::1]:8080", "null", "app://x"):
        async with client.get("/", headers={"Origin": origin}) as response:
            assert access_control(response) == {"access-control-allow-origin": origin.lower()}
    assert heard == [A, "http://[::1]:8080", "null", "app://x"]

    heard.clear()
    for origin in ("", "garbage", "https://a.example:443", "https://a b", "NULL", "x" * 4_000):
        async with client.get("/", headers={"Origin": origin}) as response:
            assert access_control(response) == {}
    async with client.get("/") as response:
        assert access_control(response) == {}
    twice = CIMultiDict([("Origin", A), ("Origin", A)])
    async with client.get("/", headers=twice) as response:
        assert access_control(response) == {}
    assert heard == []


async def late_error(origin: str) -> bool:
    await asyncio.sleep(0)
    raise LookupError("no such tenant")


def http_error(origin: str) -> bool:
    raise web.HTTPForbidden


def early_error(origin: str) -> bool:
    raise LookupError("no such tenant")


def generator_exit(origin: str) -> bool:
    raise StopIteration


async def timed_out(origin: str) -> bool:
    async with asyncio.timeout(0):
        await asyncio.sleep(60)
    return True


async def cancelled_lookup(origin: str) -> bool:
    """A look-up shared with a request that was cancelled."""
    shared = asyncio.get_running_loop().create_future()
    shared.cancel()
    return bool(await shared)


class Undecided:
    def __bool__(self) -> bool:
        raise TypeError("neither yes nor no")


def undecided(origin: str) -> bool:
    return Undecided()  # type: ignore[return-value]


FAILING = [
    early_error,
    late_error,
    http_error,
    generator_exit,
    timed_out,
    cancelled_lookup,
    undecided,
]


@pytest.mark.parametrize("predicate", FAILING)
async def test_a_predicate_that_fails_refuses_and_is_logged_and_breaks_nothing(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    predicate: Callable[..., Verdict],
) -> None:
    caplog.set_level(logging.INFO)
    client = await aiohttp_client(serving(cors(predicate)))

    async with client.get("/", headers={"Origin": A}) as response:
        assert response.status == 200
        assert await response.text() == "ok"
        assert access_control(response) == {}
        assert vary(response) == {"origin"}
    async with client.options("/", headers=ASKING) as response:
        assert response.status == 403
        assert access_control(response) == {}

    failures = [
        record
        for record in caplog.records
        if record.name == "routeguard.cors" and record.levelno >= logging.ERROR
    ]
    assert len(failures) == 2
    for record in failures:
        assert predicate.__name__ in record.getMessage()
        assert record.exc_info is not None
    assert [record for record in caplog.records if record.name == "aiohttp.server"] == []


@pytest.mark.parametrize("predicate", [early_error, late_error])
async def test_a_failing_predicate_does_not_break_an_error_page_or_a_stream(
    aiohttp_client: AiohttpClient, predicate: Callable[..., Verdict]
) -> None:
    async def fails(request: web.Request) -> web.Response:
        raise ValueError("the handler's own")

    async def streams(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one ")
        await response.write(b"two")
        return response

    app = web.Application()
    app.router.add_get("/fails", fails)
    app.router.add_get("/streams", streams)
    setup(app, cors(predicate))
    client = await aiohttp_client(app)
    async with client.get("/fails", headers={"Origin": A}) as response:
        assert response.status == 500
        assert access_control(response) == {}
    async with client.get("/streams", headers={"Origin": A}) as response:
        assert await response.text() == "one two"
        assert access_control(response) == {}


async def test_a_predicate_may_wait_for_what_another_request_brings(
    aiohttp_client: AiohttpClient,
) -> None:
    known = asyncio.Event()

    async def patient(origin: str) -> bool:
        await known.wait()
        return True

    async def tell(request: web.Request) -> web.Response:
        known.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", cors(patient)(ok))
    app.router.add_get("/tell", tell)
    setup(app)
    client = await aiohttp_client(app)
    waiting = asyncio.ensure_future(client.get("/", headers={"Origin": A}))
    async with client.get("/tell") as response:
        assert response.status == 200
    async with asyncio.timeout(30):
        answer = await waiting
    assert access_control(answer) == {"access-control-allow-origin": A}
    answer.release()
