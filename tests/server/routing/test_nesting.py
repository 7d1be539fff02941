"""Policies of different kinds on one request: their order, and that each stays whole."""

import asyncio
import itertools
import random

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import (
    Policy,
    cors,
    csrf,
    deadline,
    errors,
    explain,
    https,
    rule,
    shield,
    shielded_count,
    timeout,
    use,
)
from tests.support.seen import PAGE, answer, label

SECURE = {"X-Forwarded-Proto": "https"}


class Witness:
    """Notes what holds at each place that a request comes through."""

    def __init__(self) -> None:
        self.saw: list[tuple[str, str, bool, bool]] = []

    def note(self, place: str, request: web.Request) -> None:
        limited = deadline(request).remaining is not None
        shielded = shielded_count(request.match_info.apps[0]) > 0
        self.saw.append((place, request.scheme, limited, shielded))

    def middleware(self, place: str) -> Middleware:
        @web.middleware
        async def noting(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.note(place, request)
            return await handler(request)

        return noting

    def allows(self, origin: str) -> bool:
        self.saw.append(("cors", "", False, False))
        return True

    async def answers(self, request: web.Request) -> web.Response:
        self.note("errors", request)
        return web.Response(status=409)

    async def handler(self, request: web.Request) -> web.Response:
        self.note("handler", request)
        raise web.HTTPConflict


class own(Policy):  # noqa: N801  # it reads as a decorator
    """A kind that tells the witness when a request comes through."""

    __slots__ = ("witness",)

    def __init__(self, witness: Witness) -> None:
        self.witness = witness

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.witness.note("own", request)
        return await handler(request)


ORDER = [
    ("own", "https", False, False),
    ("application", "https", True, True),
    ("use", "https", True, True),
    ("handler", "https", True, True),
    ("errors", "https", False, False),
    ("cors", "", False, False),
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("where", ["decorators", "rule", "fallbacks"])
async def test_behaviour_nests_in_one_order_however_it_is_stated(
    aiohttp_client: AiohttpClient, where: str, seed: int
) -> None:
    witness = Witness()
    policies: list[Policy] = [
        https(),
        cors(witness.allows),
        errors(witness.answers),
        csrf(),
        own(witness),
        timeout(1000),
        shield,
        use(witness.middleware("use")),
    ]
    random.Random(seed).shuffle(policies)
    handler: Handler = witness.handler
    entries = policies if where == "fallbacks" else []
    if where == "decorators":
        for policy in policies:
            handler = policy(handler)
    app = web.Application(middlewares=[witness.middleware("application")])
    app.router.add_post("/x", handler)
    routeguard.setup(app, *([rule("/x", *policies)] if where == "rule" else []), *entries)
    told = [one.kind for one in explain(app, "POST", "/x").kinds]
    assert told == [
        *("proxied", "https", "cors", "errors", "hosts", "csrf", "rate_limit", "body", "own"),
        *("timeout", "concurrency_limit", "until_shutdown", "shield", "use", "headers"),
    ]

    client = await aiohttp_client(app)
    async with client.post("/x", headers=SECURE | {"Origin": PAGE}) as response:
        assert response.status == 409
    # csrf is outside own kinds and inside errors: from a foreign page nothing below is reached,
    # and the refusal is answered by the error handler, with CORS headers on it.
    assert witness.saw == [one for one in ORDER if one[0] in ("errors", "cors")]

    witness.saw.clear()
    headers = SECURE | {"Origin": PAGE, "Sec-Fetch-Site": "same-origin"}
    async with client.post("/x", headers=headers) as response:
        assert response.status == 409
        assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert witness.saw == ORDER


async def test_a_preflight_is_answered_before_any_other_middleware_sees_it(
    aiohttp_client: AiohttpClient,
) -> None:
    witness = Witness()
    app = web.Application(middlewares=[witness.middleware("application")])
    app.router.add_put("/x", cors(PAGE)(use(witness.middleware("use"))(answer)))
    routeguard.setup(app, own(witness), csrf())
    client = await aiohttp_client(app)
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    async with client.options("/x", headers=headers) as response:
        assert response.status == 204
    assert witness.saw == []
    headers["Sec-Fetch-Site"] = "same-origin"
    async with client.put("/x", headers=headers) as response:
        assert response.status == 200
    assert [place for place, *_ in witness.saw] == ["own", "application", "use"]


async def test_an_origin_predicate_sees_the_scheme_that_https_found(
    aiohttp_client: AiohttpClient,
) -> None:
    seen: list[tuple[str, str]] = []

    def same_site(origin: str, request: web.Request) -> bool:
        seen.append((request.method, request.scheme))
        return True

    app = web.Application()
    app.router.add_put("/x", answer)
    routeguard.setup(app, https(), cors(same_site))
    client = await aiohttp_client(app)
    asks = SECURE | {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    async with client.options("/x", headers=asks) as response:
        assert response.status == 204
    async with client.put("/x", headers=SECURE | {"Origin": PAGE}) as response:
        assert response.status == 200
    assert seen == [("OPTIONS", "https"), ("PUT", "https")]


async def test_a_timeout_reaches_the_error_handler(aiohttp_client: AiohttpClient) -> None:
    async def sleeps(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def told(request: web.Request, error: Exception) -> web.Response:
        return web.Response(text=type(error).__name__, status=504)

    app = web.Application()
    app.router.add_get("/x", sleeps)
    routeguard.setup(app, timeout(0.05), errors(told), cors(PAGE))
    client = await aiohttp_client(app)
    async with client.get("/x", headers={"Origin": PAGE}) as response:
        assert (response.status, await response.text()) == (504, "HandlerTimeout")
        assert response.headers["Access-Control-Allow-Origin"] == PAGE


async def test_the_dispatcher_is_outermost_among_the_application_middlewares(
    aiohttp_client: AiohttpClient,
) -> None:
    @web.middleware
    async def closed(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise web.HTTPUnauthorized

    app = web.Application(middlewares=[closed])
    app.router.add_put("/x", answer)
    routeguard.setup(app, cors(PAGE))
    app.middlewares.append(closed)
    client = await aiohttp_client(app)
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    async with client.options("/x", headers=headers) as response:
        assert response.status == 204
    async with client.put("/x", headers=headers) as response:
        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == PAGE


async def test_fields_are_never_merged_across_statements(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/x", timeout(None, idle=5)(answer))
    app.router.add_get("/y", cors(PAGE)(answer))
    app.router.add_get("/z", https()(answer))
    routeguard.setup(
        app,
        timeout(10, total=20),
        cors(PAGE, expose_headers="X-Total", allow_credentials=True),
        https(hsts=60),
    )
    assert explain(app, "GET", "/x").policy("timeout") == timeout(None, idle=5)
    client = await aiohttp_client(app)
    async with client.get("/x") as response:
        assert (await response.json())["timeout"] is None
    async with client.get("/y", headers=SECURE | {"Origin": PAGE}) as response:
        headers = {name for name in response.headers if name.startswith("Access-Control-")}
        assert headers == {"Access-Control-Allow-Origin"}
        assert response.headers["Strict-Transport-Security"] == "max-age=60"
    async with client.get("/z", headers=SECURE) as response:
        assert "Strict-Transport-Security" not in response.headers


async def test_kinds_of_ones_own_nest_in_alphabetical_order(
    aiohttp_client: AiohttpClient,
) -> None:
    class Tag(Policy):
        __slots__ = ()

        async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            response.headers.add("X-Way-Out", type(self).__name__)
            return response

    # A kind is what derives directly from Policy.
    kinds = [
        type(name, (Policy,), {"__slots__": (), "handle": Tag.handle})()
        for name in ("delta", "alpha", "charlie", "bravo")
    ]
    for given in itertools.permutations(kinds):
        app = web.Application()
        app.router.add_get("/x", answer)
        routeguard.setup(app, *given, label("z"))
        client = await aiohttp_client(app)
        async with client.get("/x") as response:
            way_out = response.headers.getall("X-Way-Out")
            assert way_out == ["delta", "charlie", "bravo", "alpha"]
        told = [one.kind for one in explain(app, "GET", "/x").kinds]
        own = told[told.index("body") + 1 : told.index("timeout")]
        assert own == ["alpha", "bravo", "charlie", "delta", "label"]
        await client.close()
