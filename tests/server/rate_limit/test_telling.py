"""What `explain`, `survey` and observers tell of the limits."""

import asyncio

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import (
    Event,
    Overloaded,
    RateLimited,
    client_address,
    concurrency_limit,
    exempt,
    explain,
    header_key,
    rate_limit,
    rule,
    survey,
)
from routeguard.cli.jsonable import survey_data
from tests.support.redis import redis_serving
from tests.support.serving import until


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def tenant(request: web.Request) -> str | None:
    return request.query.get("tenant")


def test_explain_has_a_line_for_each_statement() -> None:
    limit = rate_limit("10/second; 100/hour")
    app = web.Application()
    app.router.add_get("/hello", limit(concurrency_limit(2, waiting=5, key=tenant)(hello)))
    app.router.add_get("/none", exempt(rate_limit)(hello))
    routeguard.setup(
        app,
        rule("/hello", rate_limit("5/day", key=header_key("X-Api-Key"), report_only=True)),
        limit,
        rate_limit("1000/minute", key=tenant, store="redis://:secret@example.com:6379/0"),
    )
    told = explain(app, "GET", "/hello")
    assert [text for name, text in told.rows if name in ("limit", "seats")] == [
        "10/second and 100/hour for each client address, counted in each process (fallback)",
        (
            "1000/minute for each key that tenant finds, counted by all processes in "
            "redis://example.com:6379/0 (fallback)"
        ),
        '5/day for each X-Api-Key, counted in each process, only reported (rule 1 "/hello")',
        "10/second and 100/hour for each client address, counted in each process (decorator)",
        "2 at a time for each key that tenant finds, 5 more wait (decorator)",
    ]
    assert len(told["rate_limit"].policies) == 4
    assert "secret" not in str(told)
    none = explain(app, "GET", "/none")["rate_limit"]
    assert none.policies == ()
    verdicts = {one.verdict for one in none.considered if isinstance(one.policy, rate_limit)}
    assert verdicts == {"exempted nearer to the handler"}


async def test_survey_tells_of_the_connection(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory, aiohttp_client: AiohttpClient
) -> None:
    def states(app: web.Application) -> list[str]:
        surveyed = survey(app)
        data = survey_data(surveyed.routes, surveyed.applications, surveyed.kinds)
        return [
            one["status"]
            for route in data["routes"]
            for one in route["policies"]["rate_limit"]["considered"]
        ]

    async with redis_serving(redis_server, tmp_path_factory.mktemp("redis")) as redis:
        app = web.Application()
        app.router.add_get("/hello", hello)
        routeguard.setup(app, rate_limit("5/day", store=redis.url), rate_limit("9/day"))
        assert states(app) == ["", ""]
        await aiohttp_client(app)
        await until(lambda: states(app) == [f"{redis.url}: connected", ""])
        await redis.kill()
        await until(lambda: states(app) == [f"{redis.url}: away", ""])


async def test_observers_are_told(aiohttp_client: AiohttpClient) -> None:
    events: list[Event] = []
    free = asyncio.Event()

    async def waits(request: web.Request) -> web.Response:
        await free.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/hello", hello)
    app.router.add_get("/wait", waits)
    routeguard.setup(
        app,
        rule("/hello", rate_limit("1/hour")),
        rate_limit("3/hour", report_only=True),
        rule("/wait", concurrency_limit(1)),
        observers=[events.append],
    )
    client = await aiohttp_client(app)
    for _ in range(2):
        await client.get("/hello")
    waiting = asyncio.create_task(client.get("/wait"))
    await asyncio.sleep(0.05)
    assert (await client.get("/wait")).status == 503
    free.set()
    await waiting
    told = [(e.policy, e.action, e.place, e.route, e.status, type(e.error)) for e in events]
    assert told == [
        ("rate_limit", "refused", 'rule 1 "/hello"', "/hello", 429, RateLimited),
        ("rate_limit", "would refuse", "fallback", "/wait", 429, RateLimited),
        ("concurrency_limit", "refused", 'rule 2 "/wait"', "/wait", 503, Overloaded),
    ]


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (rate_limit(" 1000/hour;10/second"), "rate_limit('10/second; 1000/hour')"),
        (rate_limit("5/60 seconds", key=client_address), "rate_limit('5/minute')"),
        (
            rate_limit("5/minute", key=header_key("X-Api-Key"), name="keys", report_only=True),
            "rate_limit('5/minute', key=header_key('X-Api-Key'), name='keys', report_only=True)",
        ),
        (
            rate_limit("5/minute", key=tenant, store="redis://u:p@h/0", on_failure="refuse"),
            "rate_limit('5/minute', key=tenant, store='redis://h/0', on_failure='refuse')",
        ),
        (concurrency_limit(3), "concurrency_limit(3)"),
        (
            concurrency_limit(3, waiting=2, key=tenant, retry_after=2.5, report_only=True),
            "concurrency_limit(3, waiting=2, key=tenant, retry_after=3, report_only=True)",
        ),
    ],
)
def test_values_read_as_they_are_written(policy: object, text: str) -> None:
    assert repr(policy) == text


def test_values_compare() -> None:
    assert rate_limit("10/second") == rate_limit("10/1 second")
    assert rate_limit("10/second") != rate_limit("11/second")
    assert concurrency_limit(1) == concurrency_limit(1)
    assert len({rate_limit("10/second"), rate_limit("10/second"), concurrency_limit(1)}) == 2
