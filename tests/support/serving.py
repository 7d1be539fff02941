"""Servers on real sockets in this process, and clients that do as they like."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from aiohttp import web

from tests.support.messages import Answer, parse, request

PATIENCE = 30.0
"""Seconds after which something that must happen is taken not to happen; no speed is meant."""


class Client:
    """One connection. It reads as strictly as a client must that pipelines its requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = b""
        self._answered = 0

    def send(self, data: bytes) -> Self:
        """Sends without waiting for the server to read."""
        self.writer.write(data)
        return self

    def get(self, path: str, **headers: str) -> Self:
        return self.send(request("GET", path, body=None, **headers))

    def post(self, path: str, body: bytes, **headers: str) -> Self:
        return self.send(request("POST", path, body=body, **headers))

    async def _until(self, *, complete: bool) -> Answer:
        async with asyncio.timeout(PATIENCE):
            while True:
                answers = list(parse(self.received))[self._answered :]
                if answers and (answers[0].complete or not complete):
                    return answers[0]
                if not (data := await self.reader.read(65536)):
                    raise EOFError(f"the server closed after {self.received[-200:]!r}")
                self.received += data

    async def begun(self) -> Answer:
        """The next answer, as soon as its headers have come."""
        return await self._until(complete=False)

    async def answer(self) -> Answer:
        """The next answer, complete."""
        answer = await self._until(complete=True)
        self._answered += 1
        return answer

    async def rest(self) -> Answer:
        """The answer that the server ends by closing the connection, complete or not.

        Raises:
            ConnectionResetError: the server has reset it.
        """
        async with asyncio.timeout(PATIENCE):
            self.received += await self.reader.read()
        return list(parse(self.received))[self._answered]

    async def skim(self, *, until: bytes) -> int:
        """Reads a long answer to its last bytes without keeping it.

        Returns:
            How many bytes it was.

        Raises:
            EOFError: the server closed before.
        """
        size, tail = 0, b""
        async with asyncio.timeout(PATIENCE):
            while not tail.endswith(until):
                if not (data := await self.reader.read(65536)):
                    raise EOFError(f"the server closed after {size} bytes")
                size += len(data)
                tail = (tail + data)[-len(until) :]
        return size

    def hang_up(self, *, reset: bool = False) -> None:
        """Closes; with a reset, or else in good order."""
        if reset:
            linger(self.writer.get_extra_info("socket"))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Waits for its end, and hears of a reset: asyncio complains of what nobody hears of."""
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                await self.writer.wait_closed()


class Server:
    """An application on a free port of the loopback, and the clients that have dialled it."""

    def __init__(self, app: web.Application, options: dict[str, Any]) -> None:
        options = {"access_log": None, "shutdown_timeout": 5, **options}
        self._runner = web.AppRunner(app, **options)
        self._clients: list[Client] = []
        self._stopped = False
        self.port = 0

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=4096).start()
        self.port = self._runner.addresses[0][1]

    @property
    def connections(self) -> int:
        """How many connections the server holds."""
        return 0 if self._runner.server is None else len(self._runner.server.connections)

    async def dial(self) -> "Client":
        """A new connection; it is closed, if it must be, when the server is left."""
        async with asyncio.timeout(PATIENCE):
            client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def stop(self) -> None:
        """Shuts down as the runner does it, whoever is connected still."""
        if not self._stopped:
            self._stopped = True
            await self._runner.cleanup()

    async def leave(self) -> None:
        for client in self._clients:
            client.hang_up()
        await self.stop()
        for client in self._clients:
            await client.closed()


@asynccontextmanager
async def serving(app: web.Application, **options: Any) -> AsyncIterator[Server]:
    """Serves an application; options are the runner's."""
    server = Server(app, options)
    await server.start()
    try:
        yield server
    finally:
        await server.leave()


def linger(sock: socket.socket) -> None:
    """Makes closing a socket reset its connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def soon(event: asyncio.Event) -> None:
    """Waits for what must happen."""
    async with asyncio.timeout(PATIENCE):
        await event.wait()


async def until(true: Callable[[], object]) -> None:
    """Waits until a condition holds for which there is no event.

    Raises:
        TimeoutError: it does not come to hold.
    """
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
