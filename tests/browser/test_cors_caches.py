"""Caches on the way: of preflights, in the browser, and of answers, there and in a proxy.

An answer for one origin must not be served to another, which is what `Vary` is for. The same
answers without `Vary` are mixed up by both caches: so the tests can tell.
"""

import pytest
from aiohttp import ClientSession, web
from multidict import CIMultiDict

from routeguard import cors, setup
from routeguard.policy import Handler
from tests.browser.conftest import REFUSED, Open, Serve, Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def cacheable(request: web.Request) -> web.Response:
    return web.Response(text="hello", headers={"Cache-Control": "public, max-age=600"})


def guarded(*origins: str) -> web.Application:
    app = web.Application()
    app.router.add_get("/", cacheable)
    setup(app, cors(origins))
    return app


def homemade(*origins: str) -> web.Application:
    """What reflects the origin and forgets `Vary`."""

    @web.middleware
    async def reflects(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if (origin := request.headers.get("Origin")) in origins and origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
        return response

    app = web.Application(middlewares=[reflects])
    app.router.add_get("/", cacheable)
    return app


# --- preflights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_age", "preflights"), [(600, 1), (0, 3)])
async def test_preflights_are_kept_for_max_age(
    serve: Serve, visit: Open, max_age: int, preflights: int
) -> None:
    page = await visit()
    app = web.Application()
    app.router.add_put("/", cacheable)
    app.router.add_delete("/", cacheable)
    setup(app, cors(page.origin, max_age=max_age, allow_headers=["x-key"]))
    api = await serve(app)
    for _ in range(3):
        seen = await page.fetch(f"{api.origin}/", method="PUT", headers={"X-Key": "1"})
        assert seen["status"] == 200
    methods = api.methods("/")
    assert methods.count("PUT") == 3
    assert methods.count("OPTIONS") == preflights
    # Another method was not granted with the first.
    assert (await page.fetch(f"{api.origin}/", method="DELETE"))["status"] == 200
    assert api.methods("/").count("OPTIONS") == preflights + 1


async def test_a_kept_preflight_is_not_another_origins(serve: Serve, visit: Open) -> None:
    allowed, other = await visit(), await visit()
    app = web.Application()
    app.router.add_put("/", cacheable)
    setup(app, cors(allowed.origin, max_age=600))
    api = await serve(app)
    assert (await allowed.fetch(f"{api.origin}/", method="PUT"))["status"] == 200
    assert await other.fetch(f"{api.origin}/", method="PUT") == REFUSED
    assert api.methods("/") == ["OPTIONS", "PUT", "OPTIONS"]


# --- answers --------------------------------------------------------------------------------------


async def test_the_browsers_own_cache_keeps_origins_apart(serve: Serve, visit: Open) -> None:
    first, second, third = await visit(), await visit(), await visit()
    api = await serve(guarded(first.origin, second.origin))
    url = f"{api.origin}/"
    assert (await first.fetch(url))["body"] == "hello"
    assert (await second.fetch(url))["body"] == "hello"
    assert (await second.fetch(url))["body"] == "hello"
    assert api.methods("/") == ["GET", "GET"]  # the third came out of the cache
    assert await third.fetch(url) == REFUSED
    # An answer to a request without an origin is not taken for an answer to one with it.
    await third.page.goto(url)
    assert (await first.fetch(url))["body"] == "hello"


async def test_without_vary_the_browsers_own_cache_mixes_origins_up(
    serve: Serve, visit: Open
) -> None:
    first, second = await visit(), await visit()
    api = await serve(homemade(first.origin, second.origin))
    assert (await first.fetch(f"{api.origin}/"))["body"] == "hello"
    assert await second.fetch(f"{api.origin}/") == REFUSED


async def test_everyones_answer_is_kept_once_for_all(serve: Serve, visit: Open) -> None:
    first, second = await visit(), await visit()
    app = web.Application()
    app.router.add_get("/", cacheable)
    setup(app, cors("*"))
    api = await serve(app)
    assert (await first.fetch(f"{api.origin}/"))["body"] == "hello"
    assert (await second.fetch(f"{api.origin}/"))["body"] == "hello"
    assert api.methods("/") == ["GET"]


def caching_proxy(upstream: Site) -> web.Application:
    """A shared cache in front of a server, as RFC 9111 (sections 3 and 4.1) describes it."""
    kept: list[tuple[dict[str, str | None], int, CIMultiDict[str], bytes]] = []

    async def forward(request: web.Request) -> web.Response:
        for named, status, headers, body in kept:
            if all(request.headers.get(name) == value for name, value in named.items()):
                return web.Response(status=status, headers=headers, body=body)
        passed = {k: v for k, v in request.headers.items() if k in ("Origin", "Accept")}
        async with (
            ClientSession() as client,
            client.get(f"http://127.0.0.1:{upstream.port}{request.path}", headers=passed) as answer,
        ):
            body = await answer.read()
            left_out = {"content-length", "connection", "transfer-encoding", "date", "server"}
            headers = CIMultiDict(
                (k, v) for k, v in answer.headers.items() if k.lower() not in left_out
            )
            varies = ",".join(answer.headers.getall("Vary", [])).split(",")
            names = [name.strip() for name in varies if name.strip()]
            if "*" not in names:
                named = {name: request.headers.get(name) for name in names}
                kept.append((named, answer.status, headers, body))
            return web.Response(status=answer.status, headers=headers, body=body)

    app = web.Application()
    app.router.add_get("/", forward)
    return app


async def through_proxy(serve: Serve, upstream: web.Application) -> tuple[Site, Site]:
    api = await serve(upstream)
    return api, await serve(caching_proxy(api))


async def test_a_shared_cache_keeps_origins_apart(serve: Serve, visit: Open) -> None:
    first, second, third = await visit(), await visit(), await visit()
    api, proxy = await through_proxy(serve, guarded(first.origin, second.origin))
    async with ClientSession() as client, client.get(f"{proxy.elsewhere}/") as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
    url = f"{proxy.origin}/"
    for _ in range(2):
        assert (await first.fetch(url, cache="no-store"))["body"] == "hello"
        assert await third.fetch(url, cache="no-store") == REFUSED
        assert (await second.fetch(url, cache="no-store"))["body"] == "hello"
    # Once for each origin, and once for none: the rest were answered by the cache.
    assert len(api.methods("/")) == 4


async def test_without_vary_a_shared_cache_mixes_origins_up(serve: Serve, visit: Open) -> None:
    first, second = await visit(), await visit()
    _, proxy = await through_proxy(serve, homemade(first.origin, second.origin))
    assert (await first.fetch(f"{proxy.origin}/", cache="no-store"))["body"] == "hello"
    assert await second.fetch(f"{proxy.origin}/", cache="no-store") == REFUSED
