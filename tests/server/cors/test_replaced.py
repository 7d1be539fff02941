"""What others have written before: exceptions used again, headers of their own, `Vary`."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from multidict import CIMultiDict
from pytest_aiohttp import AiohttpClient

from routeguard import cors, errors, problem_details, setup
from routeguard.policy import Handler
from tests.server.cors.answers import EVIL, A, B, access_control, ok, vary
from tests.server.cors.leaving import (
    OWN,
    POLICY,
    failed,
    forbidden,
    granted,
    with_errors,
    without_errors,
)

# --- exceptions -----------------------------------------------------------------------------------


async def test_an_exception_object_raised_for_several_requests(
    aiohttp_client: AiohttpClient,
) -> None:
    """aiohttp by itself answers only the first of them: it takes the exception for sent."""
    kept = web.HTTPConflict(headers=OWN, text="kept")

    async def conflicts(request: web.Request) -> web.StreamResponse:
        raise kept

    app = web.Application()
    app.router.add_get("/", conflicts)
    setup(app, POLICY, errors(problem_details))
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (B, granted(B)), (EVIL, {}), (A, granted(A))):
        async with client.get("/", headers={"Origin": origin}) as response:
            assert response.status == 409
            assert access_control(response) == expected
            assert "origin" in vary(response)


@pytest.mark.parametrize("install", [without_errors, with_errors])
async def test_an_exception_object_caught_and_raised_again(
    aiohttp_client: AiohttpClient, install: Callable[[web.Application], None]
) -> None:
    @web.middleware
    async def reraises(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            error.headers["X-Seen"] = "yes"
            raise error from None

    app = web.Application(middlewares=[reraises, reraises])
    app.router.add_get("/", forbidden)
    install(app)
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (EVIL, {})):
        async with client.get("/", headers={"Origin": origin}) as response:
            assert response.status == 403
            assert response.headers["X-Seen"] == "yes"
            assert access_control(response) == expected


async def answers(request: web.Request, error: Exception) -> web.StreamResponse:
    return web.json_response({"error": str(error)}, status=500, headers=OWN)


async def raises(request: web.Request, error: Exception) -> web.StreamResponse:
    raise web.HTTPBadGateway(headers=OWN)


async def streams(request: web.Request, error: Exception) -> web.StreamResponse:
    response = web.StreamResponse(status=500, headers=OWN)
    await response.prepare(request)
    await response.write(b"sorry")
    return response


async def fails(request: web.Request, error: Exception) -> web.StreamResponse:
    raise RuntimeError("the error handler too")


@pytest.mark.parametrize(
    ("handler", "status"), [(answers, 500), (raises, 502), (streams, 500), (fails, 500)]
)
async def test_the_answers_of_error_handlers(
    aiohttp_client: AiohttpClient,
    handler: Callable[[web.Request, Exception], Awaitable[web.StreamResponse]],
    status: int,
) -> None:
    app = web.Application()
    app.router.add_get("/", failed)
    setup(app, POLICY, errors(handler))
    client = await aiohttp_client(app)
    for origin, expected in ((A, granted(A)), (EVIL, {})):
        async with client.get("/", headers={"Origin": origin}) as response:
            assert response.status == status
            assert access_control(response) == expected


# --- what others add ------------------------------------------------------------------------------


async def test_headers_of_middlewares_and_other_hooks_are_replaced_or_removed(
    aiohttp_client: AiohttpClient,
) -> None:
    @web.middleware
    async def homemade(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    async def hook(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add("Access-Control-Allow-Origin", "*")

    app = web.Application(middlewares=[homemade])
    app.on_response_prepare.append(hook)
    app.router.add_get("/", ok)
    setup(app, cors(A))
    client = await aiohttp_client(app)
    for origin, expected in ((A, {"access-control-allow-origin": A}), (EVIL, {}), (None, {})):
        headers = {} if origin is None else {"Origin": origin}
        async with client.get("/", headers=headers) as response:
            assert access_control(response) == expected


async def test_a_refused_origin_gets_no_header_of_the_family_whatever_its_name(
    aiohttp_client: AiohttpClient,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"access-control-allow-something-new": "true"})

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, cors(A))
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Origin": EVIL}) as response:
        assert access_control(response) == {}


async def test_headers_that_only_look_alike_stay(aiohttp_client: AiohttpClient) -> None:
    alike = {
        "Access-Controls": "1",
        "X-Access-Control-Allow-Origin": "2",
        "Timing-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "same-site",
    }

    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers=alike)

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, cors(A))
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Origin": EVIL}) as response:
        assert {name: response.headers.get(name) for name in alike} == alike


# --- Vary -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ([], ["Origin"]),
        (["Accept"], ["Accept, Origin"]),
        (["Accept-Encoding, Cookie"], ["Accept-Encoding, Cookie, Origin"]),
        (["Accept", "Cookie"], ["Accept, Cookie, Origin"]),
        (["Origin"], ["Origin"]),
        (["origin"], ["origin"]),
        (["Accept,ORIGIN"], ["Accept,ORIGIN"]),
        (["Accept", "Cookie , Origin"], ["Accept", "Cookie , Origin"]),
        (["X-Origin"], ["X-Origin, Origin"]),
        (["Origin-Agent-Cluster"], ["Origin-Agent-Cluster, Origin"]),
        (["*"], ["*"]),
        (["Accept, *"], ["Accept, *"]),
        ([""], ["Origin"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("origin", [A, EVIL, None])
async def test_vary_is_added_to_never_replaced_never_doubled(
    aiohttp_client: AiohttpClient, own: list[str], left: list[str], origin: str | None
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers=CIMultiDict([("Vary", line) for line in own]))

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, cors(A))
    client = await aiohttp_client(app)
    headers = {} if origin is None else {"Origin": origin}
    async with client.get("/", headers=headers) as response:
        assert response.headers.getall("Vary") == left


async def test_vary_of_a_handler_stays_where_everyone_is_allowed(
    aiohttp_client: AiohttpClient,
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"Vary": "Accept"})

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, cors("*"))
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Origin": A}) as response:
        assert response.headers.getall("Vary") == ["Accept"]
