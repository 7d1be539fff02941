"""The shutdown of an application: what runs on is waited for before anything is cleaned up."""

import asyncio

from aiohttp import web

from routeguard.running.application import Running

__all__ = ["Shutdown"]


class Shutdown:
    """Waits for what runs on, twice, within one bound.

    At the beginning of shutdown, which is before aiohttp waits for connected clients and before a
    parent application's cleanup; and before the cleanup, for work that was begun in between.
    """

    __slots__ = ("_running",)

    def __init__(self, running: Running) -> None:
        self._running = running

    async def begin(self, app: web.Application) -> None:
        """The receiver for `on_shutdown`."""
        await self._drain()

    async def finish(self, app: web.Application) -> None:
        """The receiver for `on_cleanup`."""
        await self._drain()  # where start-up failed, nothing has begun the shutdown
        for service in self._running.services:
            await service.stop()

    async def _drain(self) -> None:
        running = self._running
        if running.drain_until is None:
            running.drain_until = asyncio.get_running_loop().time() + running.drain
            for service in running.services:
                service.begin_shutdown()
        for service in running.services:
            await service.drain(running.drain_until)
