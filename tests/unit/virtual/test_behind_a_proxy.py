"""Behind a proxy that ends TLS, a request is handled as one that came over TLS itself.

On virtual time: what a proxy has forwarded beside the same over TLS that aiohttp has ended.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from routeguard import Policy, cors, errors, https, setup, timeout, use
from routeguard.running.application import RUNNING
from tests.support.httpsapp import NOTED
from tests.support.messages import request
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Seen = tuple[list[bytes], bool, list[str], list[tuple[str | None, str]]]

LIMIT = 5.0
PAGE, EVIL, OWN = "https://page.example", "https://evil.example", "https://localhost"
FORWARDED = {"X-Forwarded-Proto": "https"}
UPGRADE = {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
UPGRADE |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


class TlsWire(Wire):
    """A connection of which aiohttp believes that it has ended TLS there itself."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        return super().get_extra_info(name, default)


async def returns(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "by the handler"
    return web.Response(text=str(request.url))


async def fails(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "before it failed"
    raise KeyError(request.scheme)


async def conflicts(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "before the conflict"
    raise web.HTTPConflict(headers={"Retry-After": "5"}, text=request.scheme)


async def redirects(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(request.url.with_path("/elsewhere"))


async def hangs(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "before it hung"
    await asyncio.sleep(1000)
    return web.Response()


async def streams(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "before the stream"
    stream = web.StreamResponse()
    await stream.prepare(request)
    await asyncio.sleep(2 * LIMIT)
    await stream.write(request.scheme.encode())
    return stream


async def returns_a_stream(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "before the stream"
    return web.StreamResponse(headers={"X-Scheme": request.scheme})


async def breaks_off(request: web.Request) -> web.StreamResponse:
    await streams(request)
    raise KeyError(request.scheme)


async def prepares(request: web.Request) -> web.StreamResponse:
    response = web.Response(text="prepared")
    await response.prepare(request)
    return response


async def chats(request: web.Request) -> web.StreamResponse:
    request[NOTED] = "before the handshake"
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await asyncio.sleep(2 * LIMIT)
    await socket.send_str(str(request.url))
    return socket


HANDLERS = [returns, fails, conflicts, redirects, hangs, streams, returns_a_stream, breaks_off]
HANDLERS += [prepares, chats]


def over_https(origin: str, request: web.Request) -> bool:
    return origin == PAGE and request.scheme == "https" and request.url.scheme == "https"


def has_been_noted(origin: str, request: web.Request) -> bool:
    return request.secure and NOTED in request


async def nothing(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def tells(request: web.Request, error: Exception) -> web.Response:
    told = f"{type(error).__name__} {request.url} {request.get(NOTED)}"
    return web.Response(status=400 if isinstance(error, TimeoutError) else 418, text=told)


TOLD = [cors([PAGE]), errors(tells)]
POLICIES: dict[str, list[Policy]] = {
    "nothing else": [],
    "origins by heart": [timeout(LIMIT), cors([PAGE, "https://*.page.example"])],
    "origins by a regex": [timeout(LIMIT), cors(re.compile(r"https://page\..+"))],
    "an error handler": [timeout(LIMIT), *TOLD],
    "a predicate of the scheme": [timeout(LIMIT), cors(over_https), errors(tells)],
    "a predicate of the state": [timeout(LIMIT), cors(has_been_noted), errors(tells)],
    "a middleware": [timeout(LIMIT), *TOLD, use(nothing)],
}


def application(
    handler: Handler, *policies: Policy, proxy: https | None = None
) -> tuple[web.Application, list[tuple[str | None, str]]]:
    """An application, and what its response hook sees: the state, and the class of a response."""
    hooked: list[tuple[str | None, str]] = []

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        hooked.append((request.get(NOTED), type(response).__name__))

    app = web.Application()
    app.router.add_get("/page", handler)
    setup(app, proxy or https(), *policies)
    app.on_response_prepare.append(note)
    return app, hooked


def seen(
    log: pytest.LogCaptureFixture,
    wire: type[Wire],
    handler: Handler,
    policies: list[Policy],
    headers: dict[str, str],
    *,
    hangs_up: float | None = None,
    cancelled: bool = False,
    proxy: https | None = None,
) -> Seen:
    """What was sent, whether that closed the connection, what was logged, what the hook saw."""

    async def main(loop: VirtualLoop) -> Seen:
        loop.set_debug(False)  # in debug mode aiohttp's page of an error shows our frames
        app, hooked = application(handler, *policies, proxy=proxy)
        [server] = await started(app, handler_cancellation=cancelled)
        log.clear()
        client = wire(server).send(request("GET", "/page", body=None, **headers))
        if hangs_up is not None:
            await asyncio.sleep(hangs_up)
            client.hang_up()
        await asyncio.sleep(2000)
        closed = client.closed
        client.hang_up()
        await asyncio.sleep(0)
        clock = app[RUNNING].clocks.of("start", LIMIT)
        assert (clock.queue, clock.materialised, clock.timer) == ({}, {}, None)
        sent = [x for x in bytes(client.received).splitlines() if not x.startswith(b"Date: ")]
        ours = [one.getMessage() for one in log.records if one.name.startswith("routeguard")]
        return sent, closed, ours, hooked

    log.set_level(logging.INFO, "routeguard")
    return run_virtually(main)


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("handler", HANDLERS)
def test_it_is_handled_as_what_comes_over_tls(
    caplog: pytest.LogCaptureFixture, handler: Handler, policies: list[Policy]
) -> None:
    for origin in PAGE, EVIL, OWN, "http://localhost":
        headers = {"Origin": origin} | (UPGRADE if handler is chats else {})
        forwarded = seen(caplog, Wire, handler, policies, headers | FORWARDED)
        assert forwarded[0]
        assert forwarded == seen(caplog, TlsWire, handler, policies, headers)


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("hangs_up", [1.0, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("handler", [hangs, streams, breaks_off])
def test_a_client_that_goes_away_leaves_the_same_behind(
    caplog: pytest.LogCaptureFixture, handler: Handler, hangs_up: float, cancelled: bool
) -> None:
    for name in "origins by heart", "an error handler", "a middleware":
        for origin in EVIL, OWN:
            policies, headers = POLICIES[name], {"Origin": origin}
            ends = partial(seen, caplog, hangs_up=hangs_up, cancelled=cancelled)
            forwarded = ends(Wire, handler, policies, headers | FORWARDED)
            assert forwarded == ends(TlsWire, handler, policies, headers), (name, origin)


def test_a_refused_origin_is_logged_once_and_a_pages_own_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policies = POLICIES["origins by heart"]
    for handler in returns, fails, streams, returns_a_stream:
        told = [
            seen(caplog, Wire, handler, policies, {"Origin": origin} | FORWARDED)[2]
            for origin in (PAGE, OWN, EVIL, "http://localhost")
        ]
        assert told[:2] == [[], []]
        for origin, lines in zip((EVIL, "http://localhost"), told[2:], strict=True):
            [line] = lines
            assert line.startswith(f"refused '{origin}': GET /page, by the policy of fallback")


def test_response_hooks_find_what_the_handler_has_stored(caplog: pytest.LogCaptureFixture) -> None:
    for policies in POLICIES.values():
        hooked = seen(caplog, Wire, returns, policies, {"Origin": EVIL} | FORWARDED)[3]
        assert hooked == [("by the handler", "Response")]
    hooked = seen(caplog, Wire, fails, [], FORWARDED)[3]
    assert hooked == [("before it failed", "Response")]


def test_any_of_several_headers_says_it_and_nobody_who_is_not_trusted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    either = {"X-Forwarded-Proto": "https", "X-Tls": "on"}
    believed, refused = https(either), https(either, trusted="10.0.0.0/8")
    tls = {"X-Tls": "on"}
    for headers in tls, FORWARDED, tls | {"X-Forwarded-Proto": "http"}:
        for policies in POLICIES.values():
            sent = seen(caplog, Wire, returns, policies, headers, proxy=believed)[0]
            assert sent[-1] == b"https://localhost/page"
            sent = seen(caplog, Wire, returns, policies, headers, proxy=refused)[0]
            assert sent[-1] == b"http://localhost/page"
