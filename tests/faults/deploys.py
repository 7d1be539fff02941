"""Clients whose server is told to stop: what each of them sees, and what the server tells."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.faults.deploying import ENVIRONMENT, Setting
from tests.support.messages import Answer, parse, request
from tests.support.processes import PATIENCE, Server, process

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

RUNNERS = {
    "run_app": ("run_app", "asyncio"),
    "run_app on uvloop": ("run_app", "uvloop"),
    "AppRunner": ("runner", "asyncio"),
    "AppRunner on uvloop": ("runner", "uvloop"),
    "gunicorn": ("gunicorn", "asyncio"),
    "gunicorn on uvloop": ("gunicorn", "uvloop"),
}
"""By what an application is run: the runner and the event loop."""


class Watched:
    """One connection, read until the server ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = b""
        self.reset = False
        self.ended = 0.0
        """When the server ended it, by the machine's monotonic clock."""

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def hang_up(self) -> None:
        self._writer.transport.abort()

    async def begun(self) -> None:
        """Waits for the headers of the answer."""
        async with asyncio.timeout(PATIENCE):
            self.received += await self._reader.readuntil(b"\r\n\r\n")

    async def end(self) -> "Watched":
        """Reads until the server ends the connection, in whatever way."""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self._reader.read(65536):
                    self.received += data
            except ConnectionError:
                self.reset = True
        self.ended = time.monotonic()
        self.hang_up()
        return self

    def answer(self) -> Answer | None:
        """The answer as far as it has come; `None` where there is none."""
        return next(parse(self.received), None)

    def close_code(self) -> int | None:
        """The code with which the server has closed a WebSocket (RFC 6455, section 5.5.1)."""
        _, _, frames = self.received.partition(b"\r\n\r\n")
        while len(frames) >= 2:
            opcode, size = frames[0] & 0x0F, frames[1]
            if opcode == 0x8:
                return int.from_bytes(frames[2:4], "big") if size >= 2 else None
            frames = frames[2 + size :]
        return None


async def watch(port: int, message: bytes, *, begins: bool = True) -> Watched:
    """Sends a request on a connection of its own, and waits until its answer begins."""
    async with asyncio.timeout(PATIENCE):
        watched = Watched(*await asyncio.open_connection("127.0.0.1", port))
    watched.send(message)
    if begins:
        await watched.begun()
    return watched


async def watch_many(port: int, message: bytes, count: int) -> list[Watched]:
    """As many connections at a time, each with its answer begun."""
    return list(await asyncio.gather(*(watch(port, message) for _ in range(count))))


def socket_request(path: str) -> bytes:
    """A WebSocket handshake."""
    return request("GET", path, **HANDSHAKE)  # type: ignore[arg-type]


async def all_open(port: int, count: int) -> None:
    """Waits until the server is handling so many requests."""
    while True:
        watched = await watch(port, request("GET", "/open", Connection="close"))
        answer = (await watched.end()).answer()
        if answer is not None and json.loads(answer.body) >= count:
            return
        await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Told:
    """What a server has said by the time that it ended."""

    said: str
    stopped: float
    """When it was told to stop, by the machine's monotonic clock."""
    ended: float
    """When its process had ended."""

    @property
    def began(self) -> float:
        """When `on_shutdown` was called; gunicorn's worker takes a second or two to find out."""
        return min(self._times("on_shutdown"))

    def when(self, what: str) -> list[float]:
        """How many seconds after `on_shutdown` something happened, each time."""
        return [at - self.began for at in self._times(what)]

    def _times(self, what: str) -> list[float]:
        lines = [line.split(" ", 2) for line in self.said.splitlines() if line.startswith("NOTE ")]
        return [float(at) for _, at, told in lines if told.startswith(what)]


async def stop(server: Server) -> Told:
    """Tells a server to stop, and waits until it has ended."""
    stopped = time.monotonic()
    said = await server.stop()
    return Told(said, stopped, time.monotonic())


@asynccontextmanager
async def deployed(setting: Setting, by: str) -> AsyncIterator[Server]:
    """A server process with the application of a setting, run by a runner on a loop."""
    if by != "gunicorn":
        arguments = ["tests.faults.deploying", setting.spelt(), "--by", by]
        async with process(*arguments) as server:
            yield server
        return
    worker = "GunicornUVLoopWebWorker" if setting.loop == "uvloop" else "GunicornWebWorker"
    arguments = ["gunicorn", "--bind=127.0.0.1:0", "--graceful-timeout=100", "--backlog=4096"]
    arguments += [f"--worker-class=aiohttp.{worker}", "--no-control-socket", "--timeout=100"]
    arguments += ["tests.faults.deploying:for_gunicorn"]
    environment = {ENVIRONMENT: setting.spelt()}
    port = r"Listening at: http://127\.0\.0\.1:(\d+)"
    async with process(*arguments, port=port, **environment) as server:
        yield server
