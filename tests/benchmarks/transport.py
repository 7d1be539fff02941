"""Connections without sockets: bytes in and out of aiohttp's own server protocol."""

import asyncio
import http.client
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage
from types import TracebackType
from typing import Any, Self, cast

from aiohttp import web

PEER = ("127.0.0.1", 50_000)
"""The peer that every connection claims to have: a proxy on the same host."""

SETTLING_TURNS = 200
"""Turns of the loop after which a request that waits for nothing has been answered for long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, parsed by the standard library's client."""

    status: int
    headers: HTTPMessage
    body: bytes
    size: int

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the one response that ``raw`` holds, de-chunked."""
        response = http.client.HTTPResponse(cast("Any", _Readable(raw)))
        response.begin()
        body = response.read()
        return cls(response.status, response.headers, body, len(raw))

    def json(self) -> Any:
        """The body as JSON; ``None`` where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def tokens(self, name: str) -> set[str]:
        """The comma-separated tokens of a header, lower-cased."""
        lines = ",".join(self.headers.get_all(name, []))
        return {token.strip().lower() for token in lines.split(",") if token.strip()}


class _Readable:
    """As much of a socket as ``http.client.HTTPResponse`` asks for."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


class MemoryTransport(asyncio.Transport):
    """A transport that hands what is written to a callback and never makes anybody wait."""

    def __init__(self, on_bytes: Callable[[bytes], None]) -> None:
        super().__init__(extra={"peername": PEER, "sockname": ("127.0.0.1", 8080)})
        self.on_bytes = on_bytes
        self.closed = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        self.on_bytes(cast("bytes", data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing is read here: bytes are pushed."""

    def resume_reading(self) -> None:
        """Nothing is read here: bytes are pushed."""

    def get_write_buffer_size(self) -> int:
        return 0


class Connection:
    """One keep-alive connection to a server: ask, and be told when the answer is complete.

    The end of an answer is known by its size, which whoever asks has learnt from a checked
    answer. So nothing is parsed while the clock runs, and an answer of another size than the
    checked one is found out all the same.
    """

    __slots__ = ("_on_answer", "_outstanding", "_protocol", "_transport")

    def __init__(self, server: web.Server, on_answer: Callable[[], None]) -> None:
        self._on_answer = on_answer
        self._outstanding = 0
        self._transport = MemoryTransport(self._count)
        self._protocol = server()
        self._protocol.connection_made(self._transport)

    def ask(self, request: bytes, size: int) -> None:
        """Send a request whose answer is ``size`` bytes long."""
        self._outstanding = size
        self._protocol.data_received(request)

    def _count(self, data: bytes) -> None:
        self._outstanding -= len(data)
        if self._outstanding <= 0:
            self._on_answer()

    def fault(self) -> str | None:
        """What went wrong on this connection since it was opened, if anything did."""
        if self._transport.closed:
            return "the server closed the connection"
        if self._outstanding:
            return f"an answer is {-self._outstanding:+d} bytes off the size that was checked"
        return None

    def hang_up(self) -> None:
        """The client goes away."""
        self._protocol.connection_lost(None)


async def exchange(server: web.Server, request: bytes) -> Answer:
    """Send one request on a connection of its own and read the whole answer."""
    written = bytearray()
    protocol = server()
    protocol.connection_made(MemoryTransport(written.extend))
    protocol.data_received(request)
    for _ in range(SETTLING_TURNS):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return Answer.parse(bytes(written))


class Served:
    """An application started by aiohttp's own runner, as an async context manager."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> web.Server:
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        return server

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
