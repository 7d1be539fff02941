"""The shutdown of an application: services are told at once, and shielded work is waited for.

aiohttp calls `on_shutdown`, waits for connected clients, and calls `on_cleanup`. Nothing waits in
`on_shutdown`: an application tells its long requests to end there, and aiohttp closes idle
connections after it. The wait for shielded work stands in front of `on_cleanup`, and its time
counts from the beginning of the shutdown.
"""

import asyncio
import logging
import sys
import weakref

from aiohttp import web, web_app

from routeguard.configuration import ConfigError
from routeguard.running.application import RUNNING, Running

__all__ = ["Shutdown", "shutting_down"]

logger: logging.Logger = logging.getLogger("routeguard")


class Shutdown:
    """The shutdown of one application that was set up.

    Where it is mounted in others, their databases must outlive its work as well. So its
    receivers stand in front of those of the outermost application too.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._placed: weakref.WeakSet[web.Application] = weakref.WeakSet()
        """The outermost applications that have its receivers in front of all others."""
        self._waits_early = False
        self._finished = False

    def prepare(self) -> None:
        """Finds, at start-up, the application that is started, and stands in front of its own.

        Where that is frozen before it starts, the wait takes place in `on_shutdown`, which is
        before any cleanup, too.
        """
        outermost = starting_application()
        self._waits_early = self._finished = False
        if outermost is None or outermost in self._placed:
            return
        if not outermost.on_shutdown.frozen:
            self._placed.add(outermost)
            outermost.on_shutdown.insert(0, self.begin)
            outermost.on_cleanup.insert(0, self.finish)
        elif outermost is not self._running.app:
            self._waits_early = True

    async def begin(self, app: web.Application) -> None:
        """The receiver for `on_shutdown`."""
        self._begin()
        if self._waits_early:
            await self._drain()

    async def finish(self, app: web.Application) -> None:
        """The receiver for `on_cleanup`."""
        self._begin()  # where start-up failed, nothing has begun the shutdown
        if not self._finished:  # the receiver stands in front of the outermost application's too
            self._finished = True
            await self._drain()

    def _begin(self) -> None:
        running = self._running
        if running.drain_until is None:
            running.drain_until = asyncio.get_running_loop().time() + running.drain
            for service in running.services:
                service.begin_shutdown()

    async def _drain(self) -> None:
        running = self._running
        assert running.drain_until is not None
        until = running.drain_until
        services = running.services
        drains = [service.drain(until) for service in services]
        for service, result in zip(
            services, await asyncio.gather(*drains, return_exceptions=True), strict=True
        ):
            if isinstance(result, Exception):  # the application's own cleanup must run
                logger.error("%s failed to drain", type(service).__name__, exc_info=result)


def shutting_down(app: web.Application) -> bool:
    """Whether the shutdown of an application has begun.

    For a health route, which then answers that no more requests should be sent here, and for
    handlers that loop. The shutdown of an application begins with that of the one around it.

    Args:
        app: an application given to `setup`.

    Returns:
        `True` from the beginning of its shutdown on, until it is started again.

    Raises:
        ConfigError: it was not given to `setup`.
    """
    running = app.get(RUNNING)
    if running is None:
        raise ConfigError(f"shutting_down({app!r}): the application was not given to setup")
    return running.shutting_down


def starting_application() -> web.Application | None:
    """The application whose `startup` runs: the outermost of those that are started with it.

    aiohttp tells a mounted application neither where it is mounted nor by whom it is started.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "startup":
            app = frame.f_locals.get("self")
            if isinstance(app, web_app.Application):
                return app
        frame = frame.f_back  # type: ignore[assignment]
    return None
