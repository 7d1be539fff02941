"""Requests, routers and routes of shapes that few applications have are served like any other."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import (
    Policy,
    cors,
    deadline,
    errors,
    exempt,
    headers,
    problem_details,
    rule,
    shield,
    timeout,
)
from routeguard.running.application import RUNNING
from routeguard.running.state import RequestKey
from routeguard.serving import fast_lane
from tests.support.seen import PAGE

PATIENCE = 30.0
USER = RequestKey("user", str)


@pytest.fixture(autouse=True, params=[True, False], ids=["lane", "chain"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this holds with the fast lane and without."""
    monkeypatch.setattr(fast_lane, "IS_OPEN", request.param)


def nothing_is_left(app: web.Application) -> bool:
    """Whether no clock waits for a request any more."""
    clocks = app[RUNNING].clocks._clocks.values()
    return all(not one.queue and not one.materialised and one.timer is None for one in clocks)


# What one request does when it is handed on twice at once: the first, and the second.


async def returns(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0)
    return web.Response(text="returned")


async def streams(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.sleep(0.05)  # the other comes meanwhile
    await response.write(b"streamed")
    return response


async def fails(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0)
    raise LookupError("broken")


async def refuses(request: web.Request) -> web.StreamResponse:
    raise web.HTTPConflict


async def asks(request: web.Request) -> web.StreamResponse:
    assert deadline(request).remaining is not None
    deadline(request).extend(5)
    await asyncio.sleep(0.05)  # the other comes meanwhile
    return web.Response(text="asked")


async def lasts(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


WORK = {"returns": returns, "fails": fails, "refuses": refuses, "asks": asks, "lasts": lasts}
STATUS = {"returns": 200, "fails": 500, "refuses": 409, "asks": 200, "lasts": 504, "streams": 200}


@pytest.mark.parametrize("cloned", [False, True], ids=["itself", "a clone"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        *itertools.product(WORK, WORK),
        ("streams", "returns"),
        ("streams", "asks"),
    ],
)
async def test_one_request_may_be_handed_on_twice_at_once(
    aiohttp_client: AiohttpClient, first: str, second: str, cloned: bool
) -> None:
    found: list[int] = []
    work = iter([{**WORK, "streams": streams}[first], WORK[second]])

    @web.middleware
    async def hedges(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = asyncio.ensure_future(handler(request))
        await asyncio.sleep(0.01)
        other = handler(request.clone() if cloned else request)
        async with asyncio.timeout(PATIENCE):
            found.append((await other).status)
            return await begun

    async def handle(request: web.Request) -> web.StreamResponse:
        return await next(work)(request)

    app = web.Application()
    app.router.add_get("/", handle)
    routeguard.setup(app, timeout(0.2), errors(problem_details), cors(PAGE), outside=[hedges])
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Origin": PAGE}) as response:
        assert response.status == STATUS[first]
        assert response.headers.getall("Access-Control-Allow-Origin") == [PAGE]
        await response.read()
    assert found == [STATUS[second]]
    assert nothing_is_left(app)


class Kept(web.UrlMappingMatchInfo):
    """A match of an application's own class."""


class Router(web.UrlDispatcher):
    """Serves what is below `/v1` by the routes without it, with a match of its own class."""

    async def resolve(self, request: web.Request) -> web.UrlMappingMatchInfo:
        if request.path.startswith("/v1/"):
            request = request.clone(rel_url=request.raw_path.removeprefix("/v1"))
        found = await super().resolve(request)
        if found.http_exception is not None:
            return found
        return Kept(dict(found), found.route)


async def named(request: web.Request) -> web.Response:
    match_info = request.match_info
    return web.json_response([type(match_info).__name__, match_info.get("id", "")])


@pytest.mark.filterwarnings("ignore:router argument is deprecated")
async def test_a_router_of_another_class(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    app = web.Application(router=Router())
    app.router.add_get("/a/{id}", named)
    app.router.add_get("/decorated", headers({"X-By": "decorator"})(named))
    app.router.add_post("/a/{id}", cors(PAGE)(named))
    routeguard.setup(
        app,
        rule("/v1/a/*", headers({"X-By": "/v1/a/*"})),
        rule("/a/{id}", headers({"X-By": "/a/{id}"})),
        headers({"X-By": "fallback"}),
        timeout(5),
    )
    client = await aiohttp_client(app)
    assert "matches no route" not in caplog.text
    for path, by in {
        "/a/7": "/a/{id}",
        "/v1/a/7": "/v1/a/*",  # rules go by the path that was asked for
        "/decorated": "decorator",
        "/v1/decorated": "decorator",
        "/nowhere": "fallback",
    }.items():
        for _ in range(2):
            async with client.get(path) as response:
                assert response.headers["X-By"] == by, path
                if path != "/nowhere":
                    assert (await response.json())[0] == "Kept"
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    for path in ("/a/7", "/v1/a/7"):
        async with client.options(path, headers=asked) as response:
            assert response.status == 204, path


async def test_two_resources_on_one_path(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    for method, policy in {
        "GET": headers({"X-By": "first"}),
        "POST": headers({"X-By": "second"}),
        "PUT": exempt(headers),
    }.items():
        # Another route between them, or aiohttp adds to the resource that it added last.
        app.router.add_get(f"/between/{method}", named)
        app.router.add_route(method, "/one/{id}", policy(named))
    assert len({route.resource for route in app.router.routes() if "{id}" in str(route)}) == 3
    routeguard.setup(app, rule("DELETE /one/{id}", headers({"X-By": "rule"})), cors(PAGE))
    client = await aiohttp_client(app)
    for _ in range(2):
        for method, status, by in (
            ("GET", 200, "first"),
            ("HEAD", 405, None),
            ("POST", 200, "second"),
            ("PUT", 200, None),
            ("DELETE", 405, "rule"),
            ("PATCH", 405, None),
        ):
            async with client.request(method, "/one/7") as response:
                assert (response.status, response.headers.get("X-By")) == (status, by), method
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    async with client.options("/one/7", headers=asked) as response:
        assert response.status == 204
        assert set(response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS].split(", ")) >= {"PUT"}


@dataclass(frozen=True, slots=True)
class cloning(Policy):  # noqa: N801  # it reads as a decorator
    """Goes on inwards with a clone of the request."""

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request.clone(rel_url="/elsewhere?cloned"))


@dataclass(frozen=True, slots=True)
class cloning_work(Policy):  # noqa: N801
    """The same right around the work."""

    innermost: ClassVar[bool] = True

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request.clone(rel_url="/elsewhere?cloned"))


Outcome = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.mark.parametrize("policy", [cloning(), cloning_work()], ids=["outside", "innermost"])
@pytest.mark.parametrize("shielded", [False, True], ids=["", "shielded"])
@pytest.mark.parametrize("work", [returns, streams, refuses, fails])
async def test_what_is_stored_on_a_clone_reaches_everybody_outside(
    aiohttp_client: AiohttpClient, policy: Policy, shielded: bool, work: Outcome
) -> None:
    seen: list[object] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.query_string == "cloned"
        request[USER] = "anna"
        return await work(request)

    async def prepared(request: web.Request, response: web.StreamResponse) -> None:
        seen.append(request.get(USER))

    async def answers(request: web.Request, error: Exception) -> web.Response:
        seen.append(request.get(USER))
        return web.Response(status=500)

    @web.middleware
    async def outside(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            seen.append((request.path, request.get(USER)))

    app = web.Application()
    app.router.add_get("/x", handle)
    app.on_response_prepare.append(prepared)
    entries = [shield] if shielded else []
    routeguard.setup(
        app, policy, timeout(5), cors(PAGE), errors(answers), *entries, outside=[outside]
    )
    client = await aiohttp_client(app)
    async with client.get("/x", headers={"Origin": PAGE}) as response:
        await response.read()
        assert response.headers["Access-Control-Allow-Origin"] == PAGE
    told = "anna"
    assert ("/x", told) in seen
    assert set(seen) == {told, ("/x", told)}


async def test_a_response_to_a_mocked_request_of_an_application_that_has_not_started() -> None:
    """As unit tests of handlers have it."""
    app = web.Application()
    routeguard.setup(app, headers({"X-Frame-Options": "DENY"}))
    app.freeze()
    request = make_mocked_request("GET", "/", app=app)
    response = web.StreamResponse()
    await response.prepare(request)
    assert response.prepared
