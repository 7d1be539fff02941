"""Finds out at start-up whether aiohttp is what the exchanged classes were written for.

What they rely on is no part of aiohttp's public face. Where a newer aiohttp has changed it, an
application must not start: served unguarded, a stream of shielded work would go out as the
answer to another request, and a body could be of any size.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import aiohttp
from aiohttp import StreamReader, web
from aiohttp.http import StreamWriter

from routeguard.internals.bodies import is_waiting_for_body, limit_body
from routeguard.internals.expect import DEFAULT
from routeguard.internals.reader import GuardedReader, WholeReader
from routeguard.internals.request import GuardedRequest, change_request
from routeguard.internals.writer import DetachedError, GuardedWriter, guard_writer

__all__ = ["probe"]

PATIENCE = 5.0
"""Seconds that the rehearsal may take; it takes a few milliseconds."""

# What the exchanged classes use, or override, of what aiohttp keeps to itself.
RELIED_ON: dict[type, tuple[str, ...]] = {
    web.Request: ("_finish", "clone", "task", "protocol", "writer", "content"),
    StreamReader: (
        *("_wait", "_read_nowait", "_timer", "_buffer", "_buffer_offset", "_size", "_eof"),
        *("_http_chunk_splits", "_waiter", "_eof_waiter", "_protocol", "_loop", "total_bytes"),
        *("_exception", "feed_data", "feed_eof", "set_exception", "is_eof", "wait_eof"),
        *("readany", "begin_http_chunk_receiving", "end_http_chunk_receiving"),
    ),
    StreamWriter: (
        *("write", "write_eof", "write_headers", "drain", "_write", "_writelines"),
        *("enable_chunking", "enable_compression"),
    ),
}


async def probe(app: web.Application) -> list[str]:
    """Looks at aiohttp's classes, and handles one request with them that no socket has seen.

    Args:
        app: the application that starts; its requests are looked at.

    Returns:
        What is not as it must be, one sentence each; nothing, where all is well.
    """
    faults = [*_missing(), *_not_exchangeable()] or await _rehearse(app)
    if DEFAULT is None:
        faults.append("aiohttp.web_urldispatcher has no _default_expect_handler")
    return [f"aiohttp {aiohttp.__version__}: {fault}" for fault in faults]


def _missing() -> Iterator[str]:
    for cls, names in RELIED_ON.items():
        lost = [name for name in names if not hasattr(cls, name)]
        if lost:
            yield f"{cls.__module__}.{cls.__qualname__} has no {', '.join(lost)}"


def _not_exchangeable() -> Iterator[str]:
    guarded = (
        (web.Request, GuardedRequest),
        (StreamReader, WholeReader),
        (StreamReader, GuardedReader),
        (StreamWriter, GuardedWriter),
    )
    for cls, other in guarded:
        made: object = object.__new__(cls)
        try:
            object.__setattr__(made, "__class__", other)
        except TypeError as error:
            yield f"the class of a {cls.__module__}.{cls.__qualname__} cannot be exchanged: {error}"


async def _rehearse(app: web.Application) -> list[str]:
    """One request in memory: aiohttp's server makes it, and the exchanged classes are tried."""
    faults: list[str] = []
    done = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        try:
            faults.extend(_wrong_classes(request))
            if not faults and isinstance(request, web.Request):
                faults.extend([fault async for fault in _wrong_behaviour(request)])
        except Exception as error:
            faults.append(f"a request cannot be guarded: {error!r}")
        finally:
            done.set()
        return web.Response()

    server = web.Server(
        handler, request_factory=app._make_request, access_log=None, lingering_time=0
    )
    protocol = server()
    protocol.connection_made(_Transport())
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na")
    try:
        async with asyncio.timeout(PATIENCE):
            await done.wait()
    except TimeoutError:
        faults.append("a request was not handled")
    protocol.connection_lost(None)
    with suppress(TimeoutError):
        await server.shutdown(PATIENCE)
    return faults


def _wrong_classes(request: web.BaseRequest) -> Iterator[str]:
    made = (
        ("requests", request, web.Request, isinstance(request, web.Request)),
        ("readers of bodies", request.content, StreamReader, type(request.content) is StreamReader),
        ("writers", request.writer, StreamWriter, type(request.writer) is StreamWriter),
    )
    for what, one, cls, right in made:
        if not right:
            yield (
                f"the server makes {what} of {type(one).__module__}.{type(one).__qualname__}, "
                f"not of {cls.__module__}.{cls.__qualname__}"
            )


async def _wrong_behaviour(request: web.Request) -> AsyncIterator[str]:
    protocol = request.protocol
    if getattr(request, "_payload", None) is not request.content:
        yield "a request keeps its body elsewhere than in _payload"
        return
    if getattr(request, "_payload_writer", None) is not request.writer:
        yield "a request keeps its writer elsewhere than in _payload_writer"
        return
    if type(request) is web.Request:
        change_request(request, scheme="https", host="probe.example", remote="192.0.2.1")
        shown = str(request.url), request.secure, request.host, request.remote
        if shown != ("https://probe.example/", True, "probe.example", "192.0.2.1"):
            yield f"a request shows {shown!r} after it was changed"

    limit_body(request, max_size=3, total=PATIENCE)
    body = request.content
    if await body.readany() != b"a":
        yield "a guarded body does not hand out what has arrived"
    reading = asyncio.ensure_future(body.readany())
    await asyncio.sleep(0)
    if not is_waiting_for_body(request):
        yield "nobody can tell that a body is waited for"
    protocol.data_received(b"b")
    if await reading != b"b":
        yield "a guarded body does not hand out what arrives"
    reading = asyncio.ensure_future(body.readany())
    await asyncio.sleep(0)
    protocol.data_received(b"cd")
    for again in (reading, body.read(1), body.readline(), body.readchunk()):
        try:
            await again
        except web.HTTPRequestEntityTooLarge:
            continue
        yield "a body that is too large is not refused"

    guard_writer(request, None)
    try:
        request.writer.enable_chunking()
    except DetachedError:
        guard_writer(request, asyncio.current_task())
    else:
        yield "a guarded writer lets anybody write"


class _Transport(asyncio.Transport):
    """A connection that leads nowhere."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        return
