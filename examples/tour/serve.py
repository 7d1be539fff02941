"""Both servers of the tour: bound, started, and stopped again in order."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from examples.tour.api import make_api
from examples.tour.page import make_page
from examples.tour.wire import AccessLogger, wired

HOST = "127.0.0.1"


class CannotListenError(Exception):
    """A port that the tour needs cannot be had; the message says what to do."""

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on port {port} ({reason}): choose another with --port")


@dataclass(frozen=True, slots=True)
class Tour:
    """The origins at which the running tour is found."""

    api: str
    page: str


def bind(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise CannotListenError(port, error.strerror or str(error)) from error


@asynccontextmanager
async def running(port: int) -> AsyncIterator[Tour]:
    """The API on `port` and the page on the next one; 0 takes two free ports.

    Raises:
        CannotListenError: before anything has started.
    """
    async with AsyncExitStack() as stack:
        for_api = stack.enter_context(bind(port))
        for_page = stack.enter_context(bind(port and port + 1))
        tour = Tour(*(f"http://{HOST}:{s.getsockname()[1]}" for s in (for_api, for_page)))
        wire = stack.enter_context(wired("routeguard", "tour"))
        api = make_api(wire.count)
        # The API stops first: its drain waits for payments while the page still shows the log.
        await start(stack, make_page(api, tour.api, wire), for_page, "tour-page")
        await start(stack, api, for_api, "tour.api")
        yield tour


async def start(stack: AsyncExitStack, app: web.Application, sock: socket.socket, log: str) -> None:
    """Serve `app`, with its access log on the logger `log`."""
    runner = web.AppRunner(
        app,
        access_log=logging.getLogger(log),
        access_log_class=AccessLogger,
        handler_cancellation=True,  # who hangs up loses the work, unless it is shielded
        shutdown_timeout=3,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, sock).start()


async def serve(port: int) -> None:
    """Serve the tour until SIGINT or SIGTERM; a second signal ends it at once."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
        stopped.set()

    async with running(port) as tour:
        for number in signals:
            loop.add_signal_handler(number, stop)
        print(f"The page:  {tour.page}/   (open this one)")
        print(f"The API:   {tour.api}/orders")
        print("Stop with Ctrl-C.", flush=True)
        await stopped.wait()
        print("Stopping: work under @shield is waited for.", flush=True)
    print("Stopped.", flush=True)
