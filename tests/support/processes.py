"""Server processes: started, watched, and stopped by a signal."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.forkserver import command

PATIENCE = 120.0
"""Seconds after which a process is taken to hang; no speed is meant."""

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Server:
    """A server in a process of its own."""

    process: asyncio.subprocess.Process
    port: int
    _said: "asyncio.Task[str]"

    async def stop(self, by: signal.Signals = signal.SIGTERM) -> str:
        """Signals it, waits until it has ended, and hands over what it has said."""
        if self.process.returncode is None:
            self.process.send_signal(by)
        async with asyncio.timeout(PATIENCE):
            said = await self._said
            await self.process.wait()
        return said


@asynccontextmanager
async def process(
    module: str, *arguments: str, port: str = r"^(\d+)$", **environment: str
) -> AsyncIterator[Server]:
    """Runs a module as a server; its port is what a pattern finds in what it prints."""
    child = await asyncio.create_subprocess_exec(
        *command(module, *arguments, path=str(ROOT)),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert child.stdout is not None
    try:
        number, so_far = await _port(child.stdout, re.compile(port))
        said = asyncio.create_task(_rest(child.stdout, so_far))
        yield Server(child, number, said)
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def _port(stdout: asyncio.StreamReader, pattern: re.Pattern[str]) -> tuple[int, str]:
    so_far = ""
    async with asyncio.timeout(PATIENCE):
        while line := (await stdout.readline()).decode():
            so_far += line
            if found := pattern.search(line.rstrip()):
                return int(found[1]), so_far
    raise RuntimeError(f"the server ended before it served:\n{so_far}")


async def _rest(stdout: asyncio.StreamReader, so_far: str) -> str:
    return so_far + (await stdout.read()).decode(errors="replace")
