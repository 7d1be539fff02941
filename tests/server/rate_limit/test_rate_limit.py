"""`rate_limit` over real connections, with the counts of one process."""

import asyncio
import logging
import re

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import (
    ConfigError,
    Policy,
    RateLimited,
    cors,
    csrf,
    errors,
    exempt,
    header_key,
    proxied,
    rate_limit,
    rule,
    shield,
    timeout,
)
from routeguard.routes.rules import Rule

PAGE = "https://app.example.com"
CORS = cors([PAGE], expose_headers=["RateLimit"])


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def application(*entries: Policy | Rule, handler: Handler = hello) -> web.Application:
    app = web.Application()
    app.router.add_route("GET", "/hello", handler)
    app.router.add_route("POST", "/hello", handler)
    routeguard.setup(app, *entries)
    return app


async def test_more_than_the_rate_are_refused(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(rate_limit("3/hour")))
    for left in (2, 1, 0):
        answer = await client.get("/hello")
        assert answer.status == 200
        assert answer.headers["RateLimit-Policy"] == '"3/hour";q=3;w=3600'
        assert answer.headers["RateLimit"] == f'"3/hour";r={left};t=3600'
        assert "Retry-After" not in answer.headers
    answer = await client.get("/hello")
    assert answer.status == 429
    assert answer.headers["RateLimit-Policy"] == '"3/hour";q=3;w=3600'
    assert answer.headers["RateLimit"] == '"3/hour";r=0;t=3600'
    assert answer.headers["Retry-After"] == "3600"
    assert await answer.text() == "too many requests: try again in 3600 s"


async def test_a_place_becomes_free_when_it_was_said(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(rate_limit("1/second")))
    assert (await client.get("/hello")).status == 200
    refused = await client.get("/hello")
    assert refused.status == 429
    await asyncio.sleep(int(refused.headers["Retry-After"]))
    assert (await client.get("/hello")).status == 200


async def test_error_handlers_answer_and_the_fields_are_there(
    aiohttp_client: AiohttpClient,
) -> None:
    async def too_many(request: web.Request, error: Exception) -> web.Response:
        assert isinstance(error, RateLimited)
        return web.json_response({"again in": error.seconds, "of": error.name}, status=429)

    client = await aiohttp_client(
        application(rate_limit("1/hour", name="hellos"), errors(on={RateLimited: too_many}))
    )
    await client.get("/hello")
    answer = await client.get("/hello")
    assert answer.status == 429
    told = await answer.json()
    assert told["of"] == "hellos" and 3599 < told["again in"] <= 3600
    assert answer.headers["Retry-After"] == "3600"
    assert answer.headers["RateLimit"] == '"hellos";r=0;t=3600'


async def fails(request: web.Request) -> web.Response:
    raise LookupError("no such thing")


async def raises(request: web.Request) -> web.Response:
    raise web.HTTPConflict


async def streams(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one")
    return response


async def sends_a_file(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(__file__)


async def upgrades(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    return socket


@pytest.mark.parametrize("handler", [fails, raises, streams, sends_a_file])
@pytest.mark.parametrize("policies", [[], [errors()], [shield], [timeout(5), errors()]])
async def test_whatever_leaves_tells_what_remains(
    aiohttp_client: AiohttpClient, handler: Handler, policies: list[Policy]
) -> None:
    client = await aiohttp_client(
        application(rate_limit("10/hour"), *policies, handler=handler),
        server_kwargs={"access_log": None},
    )
    answer = await client.get("/hello")
    assert answer.headers["RateLimit"] == '"10/hour";r=9;t=3600'


async def test_websocket_handshakes_count(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(rate_limit("1/hour"), handler=upgrades))
    async with client.ws_connect("/hello") as socket:
        assert socket._response.headers["RateLimit"] == '"1/hour";r=0;t=3600'
    assert (await client.get("/hello")).status == 429


async def test_preflights_never_count(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(rate_limit("2/hour"), CORS))
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    for _ in range(10):
        answer = await client.options("/hello", headers=asks)
        assert answer.status == 204
        assert "RateLimit" not in answer.headers
    answer = await client.post("/hello", headers={"Origin": PAGE})
    assert answer.headers["RateLimit"] == '"2/hour";r=1;t=3600'


async def test_preflights_that_an_application_answers_do_not_count_either(
    aiohttp_client: AiohttpClient,
) -> None:
    app = application(rate_limit("1/hour"))
    app.router.add_route("OPTIONS", "/hello", hello)
    app.router.add_route("*", "/any", hello)
    client = await aiohttp_client(app)
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    for _ in range(3):
        assert (await client.options("/hello", headers=asks)).status == 200
    # An OPTIONS request that asks for nothing is one like the others; so is one by which a client
    # would have a handler of all methods work for nothing.
    assert (await client.options("/any", headers=asks)).status == 200
    assert (await client.options("/any", headers=asks)).status == 429
    assert (await client.options("/hello")).status == 429


async def test_refusals_can_be_read_by_pages_that_cors_allows(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await aiohttp_client(application(rate_limit("1/hour"), CORS))
    await client.get("/hello", headers={"Origin": PAGE})
    answer = await client.get("/hello", headers={"Origin": PAGE})
    assert answer.status == 429
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Expose-Headers"] == "RateLimit"


async def test_what_csrf_refuses_does_not_count(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(rate_limit("1/hour"), csrf()))
    for _ in range(3):
        answer = await client.post("/hello", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 403
        assert "RateLimit" not in answer.headers
    assert (await client.post("/hello")).status == 200


async def test_every_statement_counts_and_equal_ones_are_several(
    aiohttp_client: AiohttpClient,
) -> None:
    limit = rate_limit("2/hour")
    app = web.Application()
    app.router.add_get("/a", limit(hello))
    app.router.add_get("/b", limit(hello))
    app.router.add_get("/c", hello)
    app.router.add_get("/d", exempt(rate_limit)(hello))
    app.router.add_get("/e", limit(exempt(rate_limit)(hello)))
    routeguard.setup(app, rule(re.compile("/[ac]"), limit), rate_limit("100/hour", name="all"))
    client = await aiohttp_client(app)

    async def told(path: str) -> list[str]:
        answer = await client.get(path)
        field = answer.headers.get("RateLimit", "")
        return [str(answer.status), *re.findall(r'"([^"]*)";r=(\d+)', field)]

    assert await told("/a") == ["200", ("all", "99"), ("2/hour", "1"), ("2/hour (2)", "1")]
    assert await told("/c") == ["200", ("all", "98"), ("2/hour", "0")]
    assert await told("/b") == ["200", ("all", "97"), ("2/hour", "1")]
    assert await told("/a") == ["429", ("2/hour", "0")]  # by the rule, which /c has used up
    assert await told("/b") == ["200", ("all", "95"), ("2/hour", "0")]
    assert await told("/d") == ["200"]
    assert await told("/e") == ["200", ("2/hour", "1")]


async def test_it_is_counted_by_key(aiohttp_client: AiohttpClient) -> None:
    def tenant(request: web.Request) -> str | int | None:
        named = request.query.get("tenant")
        return int(named) if named and named.isdigit() else named

    async def slowly(request: web.Request) -> str | int | None:
        await asyncio.sleep(0)
        return tenant(request)

    for key in (tenant, slowly):
        client = await aiohttp_client(application(rate_limit("1/hour", key=key)))

        async def status(query: str, client: object = client) -> int:
            return (await client.get(f"/hello{query}")).status  # type: ignore[attr-defined,no-any-return]

        assert await status("?tenant=anna") == 200
        assert await status("?tenant=anna") == 429
        assert await status("?tenant=bert") == 200
        assert await status("?tenant=7") == 200
        assert await status("?tenant=7") == 429
        assert await status("?tenant=" + "x" * 5000) == 200
        assert await status("?tenant=" + "x" * 5000) == 429
        for _ in range(3):
            assert await status("") == 200  # exempt


async def test_a_key_that_fails_fails_the_request(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: web.Request) -> str:
        raise LookupError("no tenant")

    client = await aiohttp_client(application(rate_limit("1/hour", key=broken), errors()))
    answer = await client.get("/hello")
    assert answer.status == 500
    assert await answer.json() == {"detail": "no tenant"}


async def test_api_keys_are_counted_apart_and_never_logged(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "routeguard")
    client = await aiohttp_client(application(rate_limit("1/hour", key=header_key("X-Api-Key"))))
    for key in ("secret-1", "secret-2"):
        assert (await client.get("/hello", headers={"X-Api-Key": key})).status == 200
        assert (await client.get("/hello", headers={"X-Api-Key": key})).status == 429
    assert (await client.get("/hello")).status == 200  # by its address
    assert (await client.get("/hello", headers={"X-Api-Key": "127.0.0.1"})).status == 200
    assert (await client.get("/hello")).status == 429
    assert "secret" not in caplog.text


async def test_refusals_are_logged_at_info_whatever_answers_them(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def unavailable(request: web.Request, error: Exception) -> web.Response:
        return web.Response(status=503)

    caplog.set_level(logging.INFO, "routeguard")
    client = await aiohttp_client(
        application(rate_limit("1/hour", name="hellos"), errors(unavailable))
    )
    await client.get("/hello")
    answer = await client.get("/hello?a=\n")
    assert answer.status == 503
    assert [(one.name, one.levelname, one.message) for one in caplog.records] == [
        (
            "routeguard.rate_limit",
            "INFO",
            "refused GET /hello: hellos are used up for 127.0.0.1 (fallback)",
        )
    ]


async def test_report_only_refuses_nothing_and_tells_clients_nothing(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "routeguard")
    client = await aiohttp_client(application(rate_limit("1/hour", report_only=True)))
    for _ in range(3):
        answer = await client.get("/hello")
        assert answer.status == 200
        assert "RateLimit" not in answer.headers
        assert "RateLimit-Policy" not in answer.headers
    said = "would refuse GET /hello: 1/hour are used up for 127.0.0.1 (fallback)"
    assert caplog.messages == [said, said]


async def test_each_run_of_an_application_begins_anew() -> None:
    limit = rate_limit("1/hour")
    for _ in range(2):  # the value holds nothing of a loop or a run
        runner = web.AppRunner(application(limit))
        await runner.setup()
        await runner.cleanup()


async def test_one_name_twice_in_an_application_is_refused() -> None:
    app = application(rate_limit("1/hour", name="x"), rule("/hello", rate_limit("2/day", name="x")))
    with pytest.raises(ConfigError, match="two limits have this name"):
        await web.AppRunner(app).setup()


async def test_one_value_with_a_name_at_two_places_is_refused() -> None:
    limit = rate_limit("1/hour", name="x")
    app = web.Application()
    app.router.add_get("/a", limit(hello))
    app.router.add_get("/b", limit(hello))
    routeguard.setup(app)
    with pytest.raises(ConfigError, match="two limits have this name"):
        await web.AppRunner(app).setup()


async def test_one_decorated_handler_on_two_routes_is_one_limit(
    aiohttp_client: AiohttpClient,
) -> None:
    limited = rate_limit("1/hour", name="x")(hello)
    app = web.Application()
    app.router.add_get("/a", limited)
    app.router.add_get("/b", limited)
    routeguard.setup(app)
    client = await aiohttp_client(app)
    assert (await client.get("/a")).status == 200
    assert (await client.get("/b")).status == 429


async def test_requests_that_match_no_route_count(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(application(rate_limit("1/hour")))
    answer = await client.get("/nothing")
    assert answer.status == 404
    assert answer.headers["RateLimit"] == '"1/hour";r=0;t=3600'
    assert (await client.get("/nothing")).status == 429


async def test_a_handlers_own_field_is_kept_beside(aiohttp_client: AiohttpClient) -> None:
    async def passes_on(request: web.Request) -> web.Response:
        policy = '"upstream";q=5;w=60'
        return web.Response(
            headers={"RateLimit-Policy": policy, "RateLimit": '"upstream";r=4;t=60'}
        )

    client = await aiohttp_client(application(rate_limit("2/hour"), handler=passes_on))
    answer = await client.get("/hello")
    assert answer.headers.getall("RateLimit") == ['"upstream";r=4;t=60, "2/hour";r=1;t=3600']


async def test_behind_a_proxy_it_is_the_clients_address_that_counts(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await aiohttp_client(application(proxied(), rate_limit("1/hour")))

    async def status(address: str) -> int:
        answer = await client.get("/hello", headers={"X-Forwarded-For": address})
        return answer.status

    assert await status("198.51.100.1") == 200
    assert await status("198.51.100.1") == 429
    assert await status("198.51.100.2") == 200
    assert await status("2001:db8:0:1::1") == 200
    assert await status("2001:db8:0:1::2") == 429  # of the same network


async def test_a_route_that_is_added_late_is_limited_too(aiohttp_client: AiohttpClient) -> None:
    async def late(request: web.Request) -> web.Response:
        return web.Response(text="late")

    app = application(rate_limit("1/hour"))
    client = await aiohttp_client(app)
    assert (await client.get("/hello")).status == 200
    app.router._frozen = False
    app.router.add_get("/late", rate_limit("1/hour")(exempt(rate_limit)(late)))
    assert (await client.get("/late")).status == 200
    assert (await client.get("/late")).status == 429


async def test_applications_within_each_other_count_together(aiohttp_client: AiohttpClient) -> None:
    inner = web.Application()
    inner.router.add_get("/hello", hello)
    routeguard.setup(inner, rate_limit("2/hour", name="inner"))
    outer = application(rate_limit("3/hour", name="outer"))
    outer.add_subapp("/inner", inner)
    client = await aiohttp_client(outer)
    answer = await client.get("/inner/hello")
    assert answer.headers["RateLimit"] == '"outer";r=2;t=3600, "inner";r=1;t=3600'
    assert (await client.get("/hello")).headers["RateLimit"] == '"outer";r=1;t=3600'
    assert (await client.get("/inner/hello")).status == 200
    assert (await client.get("/inner/hello")).status == 429
