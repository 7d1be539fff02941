"""Requests that are refused, whose time is up and whose clients leave are freed at once, too."""

import asyncio
import weakref

import pytest
from aiohttp import web

from routeguard import (
    Policy,
    body,
    csrf,
    errors,
    hosts,
    https,
    problem_details,
    rate_limit,
    shield,
    timeout,
)
from routeguard.serving import fast_lane
from tests.server.memory.freeing import (
    ANSWERED,
    COLUMNS,
    LEFT,
    MANY,
    SEEN,
    application,
    head,
    is_answered,
    is_freed,
    send,
    serving,
    upload,
)
from tests.support.rawhttp import PATIENCE

# --- refusals -------------------------------------------------------------------------------------

EVIL = "https://evil.example"
REFUSALS: dict[str, tuple[Policy, str, int]] = {
    "csrf": (csrf(), f"Origin: {EVIL}", 403),
    "hosts": (hosts("other.example"), "X-A: b", 421),
    "body": (body(3), "X-A: b", 413),
    "rate_limit": (rate_limit("1/hour"), "X-A: b", 429),
    "https": (https(redirect=True), "X-A: b", 403),
}


@pytest.mark.parametrize("more", [(), MANY[2:3], (shield, timeout(20))], ids=["", "cors", "work"])
@pytest.mark.parametrize("name", REFUSALS)
async def test_a_request_that_is_refused(name: str, more: tuple[Policy, ...]) -> None:
    policy, line, status = REFUSALS[name]
    answers = () if name == "https" else (errors(problem_details),)  # https is outside of errors
    app = application(upload, policy, *more, *answers)

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        app[SEEN].append(weakref.ref(request))
        statuses.append(response.status)

    statuses: list[int] = []
    app.on_response_prepare.append(note)
    lines = ["POST /before/unexpected HTTP/1.1", "Host: shop.example", "Content-Length: 5",
             "Connection: close", line, "", ""]  # fmt: skip
    async with serving(app) as port:
        for _ in range(2):
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write("\r\n".join(lines).encode() + b"hello")
                await reader.read()
                writer.close()
        assert statuses[-1] == status
        assert await is_freed(app) or name == "https"  # an HTTPException, which aiohttp keeps


# --- bounds that pass -----------------------------------------------------------------------------

SHORT = 0.02


async def lasting(request: web.Request) -> web.StreamResponse:
    request.config_dict[SEEN].append(weakref.ref(request))
    await request.read()
    if request.match_info["stage"] == "started":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
    await asyncio.Event().wait()
    raise AssertionError


BOUNDS: dict[str, tuple[Policy, ...]] = {
    "start": (timeout(SHORT),),
    "start, shielded": (timeout(SHORT), shield(limit=2 * SHORT)),
    "total": (timeout(20, total=SHORT),),
    "idle": (timeout(SHORT, idle=SHORT),),
    "limit": (shield(limit=SHORT),),
    "limit, within a timeout": (timeout(20), shield(limit=SHORT)),
    "many": (*MANY[2:], timeout(SHORT, total=SHORT), shield(limit=2 * SHORT)),
}


@pytest.mark.parametrize("lane", [True, False], ids=["", "no lane"])
@pytest.mark.parametrize("answering", [None, *ANSWERED, *LEFT])
@pytest.mark.parametrize("column", BOUNDS)
async def test_a_request_whose_time_is_up(
    column: str, answering: str | None, lane: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_lane, "IS_OPEN", lane)
    more = () if answering is None else ({**ANSWERED, **LEFT}[answering],)
    app = application(lasting, *BOUNDS[column], *more)
    bounds_streams = not column.startswith("start")
    async with serving(app) as port:
        for stage in ("before", "started") if bounds_streams else ("before",):
            if column != "idle" or stage == "started":
                await send(port, f"/{stage}")
                assert await is_freed(app), stage


# --- clients that leave ---------------------------------------------------------------------------

BEGUN = web.AppKey("begun", asyncio.Event)
GONE = web.AppKey("gone", asyncio.Event)


async def left(request: web.Request) -> web.StreamResponse:
    request.config_dict[SEEN].append(weakref.ref(request))
    await request.read()
    response = None
    if request.match_info["stage"] == "started":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
    request.config_dict[BEGUN].set()
    await request.config_dict[GONE].wait()
    if response is not None and request.match_info["raised"] == "writes":
        while True:
            await response.write(b"more")
            await asyncio.sleep(0)
    raise RuntimeError("nobody hears")


PATHS = ("/before/fails", "/started/fails", "/started/writes")


async def freed_when_left(app: web.Application, *, cancelling: bool) -> set[str]:
    found = set()
    for key in (BEGUN, GONE):
        app[key] = asyncio.Event()
    async with serving(app, cancelling=cancelling) as port, asyncio.timeout(PATIENCE):
        for path in PATHS:
            for key in (BEGUN, GONE):
                app[key].clear()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head(path))
            await app[BEGUN].wait()
            writer.transport.abort()
            for _ in range(5):  # so that the server has met the hang-up
                await asyncio.sleep(0.001)
            app[GONE].set()
            if await is_freed(app):
                found.add(path)
    return found


@pytest.mark.parametrize("cancelling", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize("column", ["timeout", "shield", "lane", "many", *ANSWERED])
async def test_a_request_whose_client_has_left(column: str, cancelling: bool) -> None:
    policies = COLUMNS[column]
    expected = await freed_when_left(application(left), cancelling=cancelling)
    if not cancelling and (is_answered(policies) or shield in policies):
        expected |= set(PATHS)
    assert (
        expected - await freed_when_left(application(left, *policies), cancelling=cancelling)
        == set()
    )
