"""`report_only`: the policy decides, tells the log and observers, and lets the request pass."""

import logging

import pytest
from aiohttp import ClientSession, web
from pytest_aiohttp import AiohttpClient

from routeguard import (
    ConfigError,
    Event,
    Policy,
    concurrency_limit,
    csrf,
    errors,
    explain,
    hosts,
    problem_details,
    rate_limit,
    setup,
)
from tests.support.seen import PAGE

EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}

# What refuses, what only tells, and the status of a refusal.
PAIRS: dict[str, tuple[Policy, Policy, int]] = {
    "csrf": (csrf(), csrf(report_only=True), 403),
    "hosts": (hosts("a.example"), hosts("a.example", report_only=True), 421),
    "rate_limit": (rate_limit("1/hour"), rate_limit("1/hour", report_only=True), 429),
    "concurrency_limit": (
        concurrency_limit(1),
        concurrency_limit(1, report_only=True),
        503,
    ),
}


async def pay(request: web.Request) -> web.Response:
    """Asks for another request while it has a seat, and tells what became of it."""
    if request.path != "/busy":
        return web.Response(text="200")
    url = request.url.with_path("/pay")
    async with ClientSession() as session, session.post(url, headers=EVIL) as response:
        return web.Response(text=str(response.status))


@pytest.mark.parametrize("name", PAIRS)
async def test_what_would_be_refused_passes_and_is_told(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.INFO, "routeguard")
    refuses, only_tells, status = PAIRS[name]
    for policy, answered in ((refuses, status), (only_tells, 200)):
        events: list[Event] = []
        app = web.Application()
        app.router.add_post("/pay", pay)
        app.router.add_post("/busy", pay)
        setup(app, policy, errors(problem_details), observers=[events.append])
        client = await aiohttp_client(app)
        if name == "rate_limit":  # the first is within the rate
            (await client.post("/pay")).close()
        caplog.clear()
        path = "/busy" if name == "concurrency_limit" else "/pay"
        async with client.post(path, headers=EVIL) as response:
            seen = int(await response.text()) if response.status == 200 else response.status
        assert seen == answered
        said = [one.getMessage() for one in caplog.records if one.name == f"routeguard.{name}"]
        would = policy is only_tells
        assert len(said) == 1
        assert ("would refuse" in said[0]) == would
        assert ("refused" in said[0]) != would
        told = [one for one in events if one.policy == name]
        assert [(one.action, one.status) for one in told] == [
            ("would refuse" if would else "refused", status)
        ]
        assert any(one.action == "answered" for one in events) != would


async def test_a_websocket_that_csrf_would_refuse_is_opened(aiohttp_client: AiohttpClient) -> None:
    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.send_str("open")
        await response.close()
        return response

    events: list[Event] = []
    app = web.Application()
    app.router.add_get("/", socket)
    setup(app, csrf(report_only=True), observers=[events.append])
    client = await aiohttp_client(app)
    async with client.ws_connect("/", headers=EVIL) as opened:
        assert await opened.receive_str() == "open"
    assert [one.action for one in events] == ["would refuse"]


async def test_a_handler_that_fails_under_it_is_answered_as_ever(
    aiohttp_client: AiohttpClient,
) -> None:
    async def fails(request: web.Request) -> web.Response:
        raise web.HTTPConflict

    app = web.Application()
    app.router.add_post("/", fails)
    setup(app, csrf(report_only=True), errors(problem_details))
    client = await aiohttp_client(app)
    async with client.post("/", headers=EVIL) as response:
        assert response.status == 409


def test_explain_says_that_it_would() -> None:
    async def pay(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/pay", pay)
    setup(app, csrf(report_only=True))
    told = str(explain(app, "POST", "/pay", headers=EVIL))
    assert "csrf would refuse it (report_only): Sec-Fetch-Site is 'cross-site'" in told


def test_the_value_of_csrf() -> None:
    assert repr(csrf(report_only=True)) == "csrf(report_only=True)"
    assert repr(csrf(trusted_origins=PAGE, report_only=True)) == (
        "csrf(trusted_origins=['https://page.example'], report_only=True)"
    )
    assert csrf(report_only=True) != csrf()
    with pytest.raises(ConfigError, match="report_only='yes' is no bool"):
        csrf(report_only="yes")  # type: ignore[arg-type]
