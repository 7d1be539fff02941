"""Requests that fail in every way, under every policy, and whether they are freed."""

import asyncio
import functools
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import NoReturn

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
