"""A failed request is freed as soon as it is answered, its body with it.

The cyclic collector does not run here, so that what a cycle holds stays. Plain aiohttp is the
control: what it frees must be freed with every policy. It has cycles of its own, where an
`HTTPException` reaches it and where a response has started; where an error handler answers, these
are gone as well.
"""

import asyncio
import functools
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import NoReturn

import pytest
from aiohttp import web

import routeguard
from routeguard import (
    Policy,
    body,
    concurrency_limit,
    cors,
    csrf,
    errors,
    exempt,
    get_error_response,
    headers,
    hosts,
    https,
    problem_details,
    proxied,
    rate_limit,
    shield,
    timeout,
    until_shutdown,
    use,
)
from routeguard.serving import fast_lane
from tests.support.rawhttp import PATIENCE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = "https://page.example"


# --- what fails -----------------------------------------------------------------------------------


class Told(Exception):
    status = 409


def chained() -> NoReturn:
    try:
        raise LookupError("the cause")
    except LookupError as cause:
        raise RuntimeError("the effect") from cause


def raising(make: Callable[[], Exception]) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise make()

    return fail


RAISED: dict[str, Callable[[], NoReturn]] = {
    "unexpected": raising(lambda: RuntimeError("full")),
    "chained": chained,
    "told": raising(Told),
    "timed-out": raising(TimeoutError),
    "group": raising(lambda: ExceptionGroup("g", [KeyError("a"), ValueError("b")])),
    "group-of-one": raising(lambda: ExceptionGroup("g", [KeyError("a")])),
    "not-found": raising(web.HTTPNotFound),
    "unavailable": raising(lambda: web.HTTPServiceUnavailable(headers={"Retry-After": "7"})),
    "redirect": raising(lambda: web.HTTPFound("/elsewhere")),
}
STAGES = ("before", "prepared", "started", "finished")
Failure = tuple[str, str]
FAILURES: list[Failure] = list(product(STAGES, RAISED))

SEEN = web.AppKey("seen", list[weakref.ref[web.Request]])


async def upload(request: web.Request) -> web.StreamResponse:
    request.config_dict[SEEN].append(weakref.ref(request))
    await request.read()
    stage = request.match_info["stage"]
    if stage == "prepared":
        await web.Response(text="never sent").prepare(request)
    elif stage != "before":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        if stage == "finished":
            await response.write_eof()
    RAISED[request.match_info["raised"]]()


# --- policies -------------------------------------------------------------------------------------


async def handing_on(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


@web.middleware
async def catching(request: web.Request, handler: Handler) -> web.StreamResponse:
    """As many applications have one."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise


@dataclass(frozen=True, slots=True)
class watched(Policy):  # noqa: N801
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)


@dataclass(frozen=True, slots=True)
class innermost(Policy):  # noqa: N801
    innermost = True

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ZeroDivisionError:
            raise


async def again(request: web.Request, error: Exception) -> web.StreamResponse:
    raise error


async def failing(request: web.Request, error: Exception) -> web.StreamResponse:
    raise ZeroDivisionError("the error handler itself")


async def streaming(request: web.Request, error: Exception) -> web.StreamResponse:
    response = web.StreamResponse(status=503)
    await response.prepare(request)
    await response.write(b"sorry")
    return response


async def streaming_and_failing(request: web.Request, error: Exception) -> web.StreamResponse:
    await streaming(request, error)
    raise ZeroDivisionError("the error handler itself")


async def asking_another(request: web.Request, error: Exception) -> web.StreamResponse:
    return await get_error_response(request, error, default_handler=problem_details)


ANSWERED: dict[str, errors] = {
    "errors": errors(),
    "problem details": errors(problem_details),
    "mapped": errors(on={KeyError: 404, web.HTTPException: problem_details}),
    "streaming": errors(streaming),
    "streaming and failing": errors(streaming_and_failing),
    "asking another": errors(asking_another),
}
LEFT: dict[str, errors] = {
    "none of these": errors(None, on={ZeroDivisionError: problem_details}),
    "ignored": errors(ignore=Exception),
    "again": errors(again),
    "failing": errors(failing),
}
KINDS: dict[str, Policy] = {
    "timeout": timeout(20),
    "timeout, idle and total": timeout(20, idle=20, total=20),
    "shield": shield,
    "shield, limit": shield(limit=20),
    "cors": cors(PAGE),
    "cors, pattern": cors("https://*.example", allow_credentials=True),
    "https": https(),
    "https, demanded": https(redirect=True, hsts=60),
    "csrf": csrf(),
    "use": use(handing_on),
    "own kind": watched(),
    "own kind, innermost": innermost(),
    "proxied": proxied(),
    "hosts": hosts("shop.example"),
    "body": body(1_000_000, idle=20, total=20),
    "rate_limit": rate_limit("1000/second"),
    "concurrency_limit": concurrency_limit(10, waiting=10),
    "until_shutdown": until_shutdown(),
    "headers": headers({"X-Frame-Options": "DENY"}),
}
MANY = (timeout(20, idle=20), shield, cors(PAGE), https(), csrf(), use(handing_on), watched(),
        innermost(), body(1_000_000, idle=20), rate_limit("1000/second"), concurrency_limit(10),
        until_shutdown(), headers({"X-Frame-Options": "DENY"}))  # fmt: skip
LANE = (timeout(20), cors(PAGE), https())

COLUMNS: dict[str, tuple[Policy, ...]] = {
    **{name: (policy,) for name, policy in {**KINDS, **ANSWERED, **LEFT}.items()},
    **{f"{name}, answered": (policy, errors(problem_details)) for name, policy in KINDS.items()},
    **{f"{name}, in the lane": (*LANE, policy) for name, policy in {**ANSWERED, **LEFT}.items()},
    **{f"{name}, many": (*MANY, policy) for name, policy in {**ANSWERED, **LEFT}.items()},
    "many": MANY,
    "lane": LANE,
}


def is_answered(policies: tuple[Policy, ...]) -> bool:
    return any(policy in ANSWERED.values() for policy in policies)


# --- asking ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_keeps_what_is_logged() -> Iterator[None]:
    """pytest keeps the records of the log, and with them exceptions and their frames."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def application(handler: Handler, *policies: Policy, within: bool = False) -> web.Application:
    app = web.Application(middlewares=[catching])
    app.router.add_post("/{stage}/{raised}", handler)
    app.router.add_post("/{stage}", handler)
    if policies:
        routeguard.setup(app, *policies)
    root = app
    if within:
        root = web.Application()
        root.add_subapp("/within", app)
        if policies:
            routeguard.setup(root, exempt(errors), timeout(30))
    root[SEEN] = []
    return root


@asynccontextmanager
async def serving(app: web.Application, *, cancelling: bool = True) -> AsyncIterator[int]:
    runner = web.AppRunner(app, handler_cancellation=cancelling)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def head(path: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: shop.example", "Content-Length: 5",
             "Connection: close", f"Origin: {PAGE}", "Sec-Fetch-Site: same-origin",
             "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1", "", ""]  # fmt: skip
    return "\r\n".join(lines).encode() + b"hello"


async def send(port: int, path: str) -> None:
    """Sends a request and reads until the server hangs up."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(head(path))
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def is_freed(app: web.Application) -> bool:
    """Whether the requests so far are freed within some turns of the loop, or a quarter second."""
    seen = app[SEEN]
    assert len(seen) > 0
    for turn in range(100):
        if all(request() is None for request in seen):
            break
        await asyncio.sleep(0 if turn < 50 else 0.005)
    held = any(request() is not None for request in seen)
    seen.clear()
    return not held


async def freed(app: web.Application, failures: list[Failure], prefix: str = "") -> set[Failure]:
    found = set()
    async with serving(app) as port:
        for stage, raised in failures:
            await send(port, f"{prefix}/{stage}/{raised}")
            if await is_freed(app):
                found.add((stage, raised))
    return found


@functools.cache
def by_aiohttp() -> frozenset[Failure]:
    """What aiohttp alone frees."""
    found = asyncio.run(freed(application(upload), FAILURES))
    assert found >= {("before", raised) for raised in ("unexpected", "chained", "group")}
    return frozenset(found)


@pytest.mark.parametrize("lane", [True, False], ids=["", "no lane"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_request_whose_handler_fails(
    column: str, lane: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_lane, "IS_OPEN", lane)
    policies = COLUMNS[column]
    answered = is_answered(policies)
    expected = [
        (stage, raised)
        for stage, raised in FAILURES
        if (stage, raised) in by_aiohttp() or (answered and raised != "redirect")
    ]
    assert len(expected) >= 6
    held = set(expected) - asyncio.run(freed(application(upload, *policies), expected))
    assert held == set()


@pytest.mark.parametrize("column", ["errors", "timeout", "shield", "lane", "errors, many", "again"])
def test_in_a_sub_application(column: str) -> None:
    policies = COLUMNS[column]
    answered = is_answered(policies)
    expected = [
        (stage, raised)
        for stage, raised in FAILURES
        if (stage, raised) in by_aiohttp() or (answered and raised != "redirect")
    ]
    app = application(upload, *policies, within=True)
    assert set(expected) - asyncio.run(freed(app, expected, "/within")) == set()


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
