"""What middlewares in front of the dispatcher may do to requests and responses, and all holds."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pytest_aiohttp import AiohttpClient

from routeguard import Policy, cors, deadline, errors, problem_details, setup, shield, timeout
from tests.support.seen import PAGE

ORIGIN = {"Origin": PAGE}


@web.middleware
async def passes(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


@web.middleware
async def clones(request: web.Request, handler: Handler) -> web.StreamResponse:
    """As the middlewares of aiohttp-remotes do."""
    return await handler(request.clone(remote="203.0.113.9"))


@web.middleware
async def writes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Writes what is the policy's to write, and adds to `Vary`."""
    response = await handler(request)
    if not response.prepared:
        response.headers["Access-Control-Allow-Origin"] = "https://evil.example"
        response.headers["Vary"] = "Accept-Language"
    return response


@web.middleware
async def replaces(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not isinstance(response, web.Response) or response.prepared:
        return response
    return web.Response(status=response.status, body=response.body, headers=response.headers)


@web.middleware
async def cancelled_before(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Leaves a cancellation on the task that somebody has swallowed."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    try:
        return await handler(request)
    finally:
        task.uncancel()


AROUND: list[list[Middleware]] = [
    [passes],
    [clones],
    [writes],
    [replaces],
    [cancelled_before],
    [writes, clones, replaces],
]


async def plain(request: web.Request) -> web.Response:
    return web.Response(text="plain")


async def early(request: web.Request) -> web.StreamResponse:
    """A stream that begins in time, and goes on when the bound on its start has passed."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun ")
    assert deadline(request).remaining is None
    await asyncio.sleep(0.3)
    await response.write(b"and ended")
    return response


async def late(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def fails(request: web.Request) -> web.Response:
    raise LookupError


async def fails_when_begun(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    await response.write(b"begun")
    raise LookupError


def application(outside: Sequence[Middleware], *policies: Policy) -> web.Application:
    app = web.Application()
    for handler in (plain, early, late, fails, fails_when_begun):
        app.router.add_get(f"/{handler.__name__}", handler)
    setup(app, cors(PAGE), timeout(0.2), *policies, outside=outside, drain=0)
    return app


@pytest.mark.parametrize("shielded", [False, True], ids=["", "shield"])
@pytest.mark.parametrize("outside", AROUND, ids=lambda some: " ".join(m.__name__ for m in some))
async def test_policies_hold_whatever_stands_around(
    aiohttp_client: AiohttpClient, outside: list[Middleware], shielded: bool
) -> None:
    policies: list[Policy] = [errors(problem_details, on={LookupError: 404})]
    policies += [shield] if shielded else []
    app = application(outside, *policies)
    client = await aiohttp_client(app)
    for path, status, text in (
        ("/plain", 200, "plain"),
        ("/early", 200, "begun and ended"),
        ("/late", 504, None),
        ("/fails", 404, None),
        ("/nowhere", 404, None),
    ):
        for _ in range(2):
            async with client.get(path, headers=ORIGIN) as response:
                assert response.status == status, path
                assert text is None or await response.text() == text
                assert response.headers.getall("Access-Control-Allow-Origin") == [PAGE]
                varied = ", ".join(response.headers.getall("Vary")).split(", ")
                assert "Origin" in varied
                assert len(varied) == len(set(varied))
                if writes in outside and path != "/early":
                    assert "Accept-Language" in varied
    if shielded:
        return
    async with client.get("/fails_when_begun", headers=ORIGIN) as response:
        assert response.status == 200
        with pytest.raises(Exception, match=r"not enough data|payload"):
            await response.read()


@pytest.mark.parametrize("outside", AROUND, ids=lambda some: " ".join(m.__name__ for m in some))
async def test_a_preflight_is_answered_as_ever(
    aiohttp_client: AiohttpClient, outside: list[Middleware]
) -> None:
    client = await aiohttp_client(application(outside))
    for _ in range(3):
        asked = {**ORIGIN, "Access-Control-Request-Method": "GET"}
        async with client.options("/plain", headers=asked) as response:
            assert response.status == 204
            if writes not in outside:
                assert response.headers.getall("Access-Control-Allow-Origin") == [PAGE]


async def test_what_a_middleware_outside_has_set_is_seen_inside(
    aiohttp_client: AiohttpClient,
) -> None:
    async def remote(request: web.Request) -> web.Response:
        return web.Response(text=str(request.remote))

    app = web.Application()
    app.router.add_get("/", remote)
    setup(app, cors(PAGE), timeout(5), outside=[clones])
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        assert await response.text() == "203.0.113.9"
