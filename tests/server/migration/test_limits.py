"""Limits by hand, with `limits` and with aiohttp-ratelimiter, and what becomes of them."""

import asyncio
from collections.abc import Callable
from types import ModuleType

import aiohttplimiter
import limits
import pytest
from aiohttp import web
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import RateLimited, cors, errors, rate_limit
from tests.server.migration import limits_after, limits_before

SHOP = "https://shop.example"


async def found(request: web.Request) -> web.Response:
    return web.Response(text="found")


@pytest.fixture(autouse=True)
def forget() -> None:
    limits_before.hits.clear()


def of(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.mark.parametrize("service", [limits_before, limits_after])
async def test_the_third_is_refused_and_another_client_is_not(
    service: ModuleType, aiohttp_client: AiohttpClient
) -> None:
    client = await aiohttp_client(await service.make_app())
    statuses = []
    for address in ("203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"):
        async with client.post("/login", headers=of(address)) as response:
            statuses.append(response.status)
            refused = await response.json() if response.status == 429 else None
            assert refused in (None, {"error": "too many requests"})

    assert statuses == [200, 200, 429, 200]


async def test_by_hand_all_routes_count_in_one_place_and_here_each_statement_by_itself(
    aiohttp_client: AiohttpClient,
) -> None:
    statuses = {}
    for service in (limits_before, limits_after):
        client = await aiohttp_client(await service.make_app())
        for _ in range(2):
            async with client.post("/login"):
                pass
        async with client.get("/search") as response:
            statuses[service] = response.status

    assert statuses == {limits_before: 429, limits_after: 200}


async def test_by_hand_whoever_makes_up_addresses_is_not_limited(
    aiohttp_client: AiohttpClient,
) -> None:
    statuses = {}
    for service in (limits_before, limits_after):
        client = await aiohttp_client(await service.make_app())
        for made_up in range(3):
            # What nginx passes on with $proxy_add_x_forwarded_for: its own entry is the last.
            headers = of(f"198.51.100.{made_up}, 203.0.113.9")
            async with client.post("/login", headers=headers) as response:
                statuses[service] = response.status

    assert statuses == {limits_before: 200, limits_after: 429}


async def test_limits_takes_a_hit_off_a_rate_though_another_refuses_it() -> None:
    """Several rates are hit one after the other; here, what is refused consumes nothing."""
    limiter = MovingWindowRateLimiter(MemoryStorage())
    hour, minute = limits.parse_many("10/hour; 1/minute")

    async def hit() -> bool:
        return await limiter.hit(hour, "ada") and await limiter.hit(minute, "ada")

    assert [await hit(), await hit(), await hit()] == [True, False, False]
    assert (await limiter.get_window_stats(hour, "ada")).remaining == 7


Route = Callable[[web.Application], None]


def theirs(app: web.Application) -> None:
    limiter = aiohttplimiter.Limiter(keyfunc=aiohttplimiter.default_keyfunc)
    app.router.add_get("/orders/{number}", limiter.limit("2/minute")(found))


def ours(app: web.Application) -> None:
    app.router.add_get("/orders/{number}", rate_limit("2/minute")(found))
    routeguard.setup(app, cors(SHOP))


async def statuses(app: web.Application, aiohttp_client: AiohttpClient, *asked: str) -> list[int]:
    client = await aiohttp_client(app)
    got = []
    for path in asked:
        async with client.get(path, headers={"Origin": SHOP}) as response:
            got.append(response.status)
    return got


@pytest.mark.parametrize(("route", "last"), [(theirs, 200), (ours, 429)])
async def test_aiohttp_ratelimiter_counts_each_path_by_itself(
    route: Route, last: int, aiohttp_client: AiohttpClient
) -> None:
    app = web.Application()
    route(app)

    got = await statuses(app, aiohttp_client, "/orders/1", "/orders/2", "/orders/3")

    assert got == [200, 200, last]


@pytest.mark.parametrize("route", [theirs, ours])
async def test_the_third_of_one_path_is_refused(
    route: Route, aiohttp_client: AiohttpClient
) -> None:
    app = web.Application()
    route(app)
    client = await aiohttp_client(app)
    for _ in range(3):
        async with client.get("/orders/1", headers={"Origin": SHOP}) as response:
            told = response

    assert told.status == 429
    assert ("Retry-After" in told.headers) == (route is ours)
    assert ("Access-Control-Allow-Origin" in told.headers) == (route is ours)


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(0)
    return web.Response(text="found")


async def test_an_answer_of_one_s_own(aiohttp_client: AiohttpClient) -> None:
    """`error_handler=…` becomes an entry of `on`."""

    async def come_back(request: web.Request, error: Exception) -> web.Response:
        assert isinstance(error, RateLimited)
        return web.Response(text=f"in {error.seconds:.0f} s", status=429)

    app = web.Application()
    app.router.add_get("/", rate_limit("1/minute")(slow))
    routeguard.setup(app, errors(None, on={RateLimited: come_back}))
    client = await aiohttp_client(app)
    async with client.get("/"):
        pass
    async with client.get("/") as response:
        assert (response.status, await response.text()) == (429, "in 60 s")
        assert response.headers["Retry-After"] == "60"
