"""The small examples do what their first lines say, asked over real connections."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

import routeguard
from examples import limit, quickstart, sessions, sse, subapps, tenants, views
from routeguard import ConfigError, shield, timeout
from tests.server.command.commandline import here
from tests.support.serving import until

ROOT = Path(__file__).resolve().parents[3]
SMALL = sorted(path.stem for path in (ROOT / "examples").glob("[!_]*.py"))

Client = TestClient[web.Request, web.Application]


class Example(Protocol):
    def make_app(self) -> web.Application: ...


def preflight(origin: str, method: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method}


async def allowed_origin(client: Client, path: str, origin: str) -> str | None:
    async with client.get(path, headers={"Origin": origin}) as response:
        return response.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("name", SMALL)
def test_each_example_explains_itself(name: str) -> None:
    example: Example = importlib.import_module(f"examples.{name}")
    app = example.make_app()
    for resource in filter(list, app.router.resources()):  # those that have routes
        assert str(routeguard.explain(app, "GET", resource.canonical))


@pytest.mark.parametrize("name", SMALL)
def test_each_example_passes_the_check_of_the_command_line(name: str) -> None:
    here("check", f"examples.{name}:make_app")


async def test_quickstart(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(quickstart.make_app())
    origin = "https://app.example.com"

    async with client.get("/reports/7", headers={"Origin": origin}) as response:
        assert response.status == 504
        assert response.content_type == "application/problem+json"
        assert response.headers["Access-Control-Allow-Origin"] == origin
    async with client.post("/payments", json={"cents": 5}) as response:
        assert (response.status, await response.json()) == (201, {"paid": 5})
    async with client.post("/payments", json={"cents": 0}) as response:
        assert response.status == 402
        assert (await response.json())["reason"] == "nothing to pay"
    assert await allowed_origin(client, "/api/status", "https://a.example.com") is not None
    assert await allowed_origin(client, "/api/status", "https://example.org") is None
    assert await allowed_origin(client, "/downloads/a", origin) is None


async def test_limit_turns_away_who_comes_too_many(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(limit.make_app())

    async def ask(path: str) -> tuple[int, str | None]:
        async with client.get(path) as response:
            return response.status, response.headers.get("Retry-After")

    thumbnails = sorted(await asyncio.gather(*(ask("/thumbnails/a") for _ in range(5))))
    assert thumbnails == [(200, None), (200, None), (503, "1"), (503, "1"), (503, "1")]
    exports = sorted(await asyncio.gather(*(ask("/exports/a") for _ in range(3))))
    assert exports == [(200, None), (503, "30"), (503, "30")]
    assert await ask("/thumbnails/a") == (200, None)  # the seats are free again


async def test_limit_keeps_a_seat_until_shielded_work_has_ended(
    aiohttp_client: AiohttpClient,
) -> None:
    running = most = 0
    go_on = asyncio.Event()

    @limit.limit(2)
    @shield
    @timeout(0.1)
    async def write(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        return web.Response()

    app = web.Application()
    app.router.add_post("/", write)
    routeguard.setup(app)
    client = await aiohttp_client(app)

    async def ask() -> int:
        async with client.post("/") as response:
            return response.status

    # The first two have their 504, and their work goes on.
    for statuses in ([504, 504], [503, 503], [503, 503]):
        assert list(await asyncio.gather(ask(), ask())) == statuses
    assert (running, most) == (2, 2)
    go_on.set()
    await until(lambda: routeguard.shielded_count(app) == 0)
    assert await ask() == 200  # the seats are free again


async def test_limit_as_a_fallback() -> None:
    app = limit.make_app()
    assert "limit(running=2" in str(routeguard.explain(app, "GET", "/thumbnails/a"))
    assert "limit(running=1," in str(routeguard.explain(app, "GET", "/exports/a"))
    assert "limit(running=100" in str(routeguard.explain(app, "GET", "/"))


def test_limit_is_a_value_and_checks_itself() -> None:
    assert limit.limit(3) == limit.limit(3) != limit.limit(4)
    assert hash(limit.limit(3)) == hash(limit.limit(3))
    assert repr(limit.limit(3)) == "limit(running=3, retry_after=1)"
    with pytest.raises(ConfigError, match=r"limit\(0\)"):
        limit.limit(0)


async def test_tenants_are_asked_for_at_each_request(aiohttp_client: AiohttpClient) -> None:
    app = tenants.make_app()
    client = await aiohttp_client(app)
    products = "/shops/anna/products"

    assert await allowed_origin(client, products, "https://anna.example") == "https://anna.example"
    assert await allowed_origin(client, products, "https://bert.example") is None
    app[tenants.SITES].execute("INSERT INTO sites VALUES ('anna', 'https://new.example')")
    assert await allowed_origin(client, products, "https://new.example") == "https://new.example"

    for origin, status in (("https://anna.example", 204), ("https://bert.example", 403)):
        async with client.options(products, headers=preflight(origin, "GET")) as response:
            assert response.status == status
            credentials = response.headers.get("Access-Control-Allow-Credentials")
            assert credentials == ("true" if status == 204 else None)


async def test_sse_lasts_longer_than_the_limit_on_its_start(aiohttp_client: AiohttpClient) -> None:
    async def lively() -> AsyncIterator[float]:
        for price in range(8):
            await asyncio.sleep(0.2)
            yield price

    client = await aiohttp_client(sse.make_app(lively))
    async with client.get("/prices") as response:
        text = await response.text()
    assert text == "".join(f"data: {price}.00\n\n" for price in range(8))


async def test_sse_that_falls_silent_is_closed(aiohttp_client: AiohttpClient) -> None:
    ended = asyncio.Event()

    async def stalled() -> AsyncIterator[float]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.set()

    client = await aiohttp_client(sse.make_app(stalled))
    async with client.get("/prices") as response:
        assert response.status == 200
        assert await response.content.readline() == b"data: 1.00\n"
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(response.content.read(), 60)
    await asyncio.wait_for(ended.wait(), 60)


# aiohttp-session keeps its storage in the request under a plain string.
@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
async def test_sessions_exist_under_their_rule_only(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(sessions.make_app())

    async with client.get("/account/orders") as response:
        assert response.status == 403
        assert response.content_type == "application/problem+json"
    async with client.post("/account/login", data={"name": "ada"}) as response:
        assert await response.text() == "hello ada\n"
        assert "AIOHTTP_SESSION" in response.cookies
    async with client.get("/account/orders") as response:
        assert await response.json() == {"orders of": "ada"}
    async with client.get("/") as response:
        assert (response.status, dict(response.cookies)) == (200, {})


async def test_subapps_nearest_statement_wins(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(subapps.make_app())

    async def ask(path: str) -> tuple[int, str]:
        async with client.get(path) as response:
            return response.status, response.content_type

    assert await ask("/shop/search") == (200, "text/plain")
    assert await ask("/shop/basket") == (504, "application/json")
    assert await ask("/shop/order") == (409, "application/json")
    assert await ask("/admin/audit") == (200, "text/plain")
    assert await ask("/admin/lock") == (409, "application/problem+json")


async def test_views_methods_and_inheritance(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(views.make_app())
    reader = "https://reader.example"

    for base in ("/articles", "/drafts"):
        assert await allowed_origin(client, f"{base}/hello", reader) == reader
        # The method's five seconds: under the class's 0.3 the printer would be too slow.
        async with client.put(f"{base}/new", data="news", headers={"Origin": reader}) as response:
            assert response.status == 201
            assert response.headers["Access-Control-Allow-Origin"] == reader
        for method, status in (("PUT", 204), ("GET", 204)):
            asked = preflight(reader, method)
            async with client.options(f"{base}/hello", headers=asked) as response:
                assert response.status == status
        asked = preflight(reader, "DELETE")
        async with client.options(f"{base}/hello", headers=asked) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
        async with client.delete(f"{base}/new", headers={"Origin": reader}) as response:
            assert response.status == 204
            assert "Access-Control-Allow-Origin" not in response.headers
