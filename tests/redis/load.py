"""An application whose limits are counted in Redis, and clients that never pause."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

import routeguard
from routeguard import Policy
from tests.support.serving import Server, serving

__all__ = ["Load", "limited", "under_load"]

LATEST = 0.5
"""Seconds that a request may take, whatever the store does."""


@dataclass(slots=True)
class Load:
    """What clients have met."""

    port: int
    statuses: "Counter[int]" = field(default_factory=Counter)
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)

    async def ask(self, session: aiohttp.ClientSession, path: str = "/") -> int:
        """One request, on record."""
        began = time.monotonic()
        try:
            async with session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                await answer.read()
                status = answer.status
        except aiohttp.ClientError as error:
            self.failures.append(repr(error))
            return 0
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[status] += 1
        return status

    def check(self) -> None:
        """Nothing has failed, and nobody has waited long."""
        assert not self.failures
        assert set(self.statuses) <= {200, 429}, self.statuses
        assert self.slowest < LATEST, self.slowest


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@asynccontextmanager
async def limited(*policies: Policy) -> AsyncIterator[Server]:
    """An application with limits, being served."""
    app = web.Application()
    app.router.add_get("/", hello)
    routeguard.setup(app, *policies)
    async with serving(app) as server:
        yield server


@asynccontextmanager
async def under_load(port: int, clients: int = 8) -> AsyncIterator[Load]:
    """Clients that ask one after the other, as long as the block runs."""
    load = Load(port)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:

        async def keep_asking() -> None:
            while True:
                await load.ask(session)
                await asyncio.sleep(0.005)

        tasks = [asyncio.create_task(keep_asking()) for _ in range(clients)]
        try:
            yield load
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
