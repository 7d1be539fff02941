"""A real redis-server, or several, that a test stops, freezes, kills and starts again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

from tests.support.nginx import free_port

__all__ = ["Link", "RedisServer", "redis_cluster", "redis_serving"]

PATIENCE = 30.0  # seconds; a bound for a server that does not start or end, not a speed


class RedisServer:
    """One redis-server on a port of the loopback, which keeps its port when it is started again."""

    def __init__(self, program: str, directory: Path, *options: str) -> None:
        self.port = free_port()
        self._program = program
        self._directory = directory
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            if await self._has_started():
                return
            self.port = free_port()  # somebody else has taken it in the meantime
        raise AssertionError("the redis-server did not start")

    async def _has_started(self) -> bool:
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *self._options,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)),
            *(() if self._options[:1] == ("sentinel",) else ("--save", "", "--appendonly", "no")),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE):
            while not await self._answers():
                if self._process.returncode is not None:
                    return False
                await asyncio.sleep(0.02)
        return True

    async def _answers(self) -> bool:
        try:
            return bool(await self.command("PING"))
        except (RedisConnectionError, InvalidResponse, OSError):
            return False

    async def command(self, *words: str | int | bytes) -> Any:
        """Gives the server one command, over a connection of its own."""
        async with Redis(host="127.0.0.1", port=self.port) as client:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]

    def freeze(self) -> None:
        """Stops the process where it is; connections stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Has a frozen process go on."""
        self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Ends the process at once; what it held is lost."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(which)


@asynccontextmanager
async def redis_serving(program: str, directory: Path, *options: str) -> AsyncIterator[RedisServer]:
    """A redis-server with options; ended, whatever the test did."""
    server = RedisServer(program, directory, *options)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def redis_cluster(
    program: str, directory: Path, size: int = 3
) -> AsyncIterator[list[RedisServer]]:
    """A cluster of primaries that share all slots."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
    nodes = [RedisServer(program, directory / str(number), *options) for number in range(size)]
    try:
        for node in nodes:
            await node.start()
        share = -(-16384 // size)
        for number, node in enumerate(nodes):
            slots = range(number * share, min((number + 1) * share, 16384))
            await node.command("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])
            await node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            await node.command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        async with asyncio.timeout(PATIENCE):
            while not await _agree(nodes):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield nodes
    finally:
        for node in nodes:
            await node.kill()


async def _agree(nodes: Iterable[RedisServer]) -> bool:
    states = [await node.command("CLUSTER", "INFO") for node in nodes]
    known = [await node.command("CLUSTER", "SLOTS") for node in nodes]
    return all(b"cluster_state:ok" in str(one).encode() for one in states) and all(
        len(one) == len(known) for one in known
    )


class Link:
    """A loopback proxy in front of a server, as slow as a test likes."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        """Seconds that the server's answers are held back."""
        self.port = 0
        self._to = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
        for carrying in (
            self._copy(reader, to_server, slow=False),
            self._copy(from_server, writer, slow=True),
        ):
            task = asyncio.create_task(carrying)
            self._tasks.add(task)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(65536):
                if slow and self.delay:
                    loop.call_later(self.delay, _write, writer, data)
                else:
                    writer.write(data)
        finally:
            writer.close()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)
