"""A program that raises what no error handler may answer, and prints what became of it.

Each exception ends the event loop that it is raised in, so each case has one of its own.
"""

import asyncio
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from routeguard import Policy, csrf, errors, problem_details, setup

RAISED: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "GeneratorExit": lambda: GeneratorExit(),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("g", [SystemExit(3), ValueError("x")]),
}


async def failing(request: web.Request, error: Exception) -> web.Response:
    raise ZeroDivisionError


POLICIES: dict[str, Policy] = {
    "no policy": csrf(),
    "default": errors(),
    "problem details": errors(problem_details),
    "on": errors(on={Exception: 404}),
    "ignore": errors(ignore=Exception),
    "failing": errors(failing),
}


class Client(threading.Thread):
    """Sends a request and keeps what comes until the server hangs up."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.received = b""
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=15)

    def run(self) -> None:
        with self.connection:
            self.connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            try:
                while chunk := self.connection.recv(65536):
                    self.received += chunk
            except ConnectionResetError:
                pass


def outcome(make: Callable[[], BaseException], policy: Policy, *, started: bool) -> dict[str, str]:
    """What the client got, and what came out of the event loop."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if started:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"part")
        raise make()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/", handler)
        setup(app, policy)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    loop = asyncio.new_event_loop()
    runner = loop.run_until_complete(serve())
    client = Client(runner.addresses[0][1])
    client.start()
    came_out = drive(loop, asyncio.to_thread(client.join, 15))
    drive(loop, runner.cleanup())
    drive(loop, loop.shutdown_default_executor())
    loop.close()
    answered = "hung" if client.is_alive() else client.received.decode()
    return {"received": answered, "came out": came_out}


def drive(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, object]) -> str:
    """Runs the loop until some work is done, however often a task throws it out; says what did."""
    thrown = "nothing"
    task = loop.create_task(work)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except BaseException as error:
            thrown = type(error).__name__
    return thrown


def main() -> None:
    logging.disable(logging.CRITICAL)  # the loop complains of the tasks that ended it
    told = {
        f"{name}, {policy}, {'started' if started else 'before'}": outcome(
            make, POLICIES[policy], started=started
        )
        for name, make in RAISED.items()
        for policy in POLICIES
        for started in (False, True)
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
