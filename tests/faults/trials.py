"""One trial: clients that post and hang up at once, SIGTERM, and how many rows are there."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.faults.writes import ENVIRONMENT, Setting
from tests.support.messages import request
from tests.support.processes import PATIENCE, process
from tests.support.serving import Client


def post(port: int, clients: int, prefix: str = "") -> Iterator[socket.socket]:
    """As many clients, one after the other, none of which waits for anything."""
    for value in range(clients):
        connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        body = json.dumps({"value": value}).encode()
        path = f"{prefix}/rows?value={value}"
        connection.sendall(request("POST", path, body=body, Content_Type="application/json"))
        yield connection


def post_and_stay(port: int, clients: int, prefix: str = "") -> list[socket.socket]:
    """The clients' connections, all of them open."""
    return list(post(port, clients, prefix))


def post_and_hang_up(port: int, clients: int, prefix: str = "") -> list[socket.socket]:
    """Each client hangs up at once: none is left."""
    for connection in post(port, clients, prefix):
        connection.close()
    return []


def answered(staying: list[socket.socket]) -> int:
    """How many of the clients that stayed have got an answer."""
    count = 0
    for connection in staying:
        with connection:
            count += connection.recv(100).startswith(b"HTTP/1.1 200")
    return count


async def all_arrived(port: int, clients: int, prefix: str = "") -> None:
    """Waits until the server has begun to handle every request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    async with asyncio.timeout(PATIENCE):
        while json.loads((await client.get(f"{prefix}/arrived").answer()).body) < clients:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    client.hang_up()


def written(database: Path) -> list[int]:
    """The rows that are there in the end."""
    connection = sqlite3.connect(database)
    try:
        return sorted(value for (value,) in connection.execute("SELECT value FROM rows"))
    finally:
        connection.close()


GUNICORN = {
    "gunicorn": "aiohttp.GunicornWebWorker",
    "gunicorn on uvloop": "aiohttp.GunicornUVLoopWebWorker",
}


def command(setting: Setting, by: str, *more: str) -> tuple[list[str], str, dict[str, str]]:
    """What starts a server: module and arguments, what finds its port, and its environment."""
    if by in GUNICORN:
        arguments = ["gunicorn", "--bind=127.0.0.1:0", "--graceful-timeout=60", "--backlog=4096"]
        arguments += [f"--worker-class={GUNICORN[by]}", "--no-control-socket", *more]
        arguments += ["tests.faults.writes:for_gunicorn"]
        return arguments, r"Listening at: http://127\.0\.0\.1:(\d+)", {ENVIRONMENT: setting.spelt()}
    return ["tests.faults.writes", setting.spelt(), "--by", by], r"^(\d+)$", {}


def complaints(said: str) -> list[str]:
    """What a server must not say: a traceback, or asyncio's word on something lost."""
    signs = ("Traceback", "never retrieved", "was destroyed", "never awaited", "given up")
    return [line for line in said.splitlines() if any(sign in line for sign in signs)]


async def trial(setting: Setting, clients: int, *, by: str = "run_app") -> tuple[list[int], str]:
    """Runs one trial.

    Returns:
        The rows that are in the database afterwards, and all that the server has said.
    """
    arguments, port, environment = command(setting, by)
    async with process(*arguments, port=port, **environment) as server:
        behave = post_and_stay if setting.stays else post_and_hang_up
        staying = await asyncio.to_thread(behave, server.port, clients, setting.prefix)
        await all_arrived(server.port, clients, setting.prefix)
        said = await server.stop()
    if setting.guard == "routeguard":
        assert answered(staying) == len(staying)
    return written(setting.database), said
