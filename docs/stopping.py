"""How long a shutdown takes: measured, beside the sum by which a platform's patience is set.

A server is started in a process of its own, with one of everything that can hold a shutdown up: a
stream without end, shielded work whose client waits, shielded work whose client has gone, and a
cleanup that takes its time. Then it is sent SIGTERM, as at a deploy::

    python docs/stopping.py --drain 3 --shutdown-timeout 1 --cleanup 0.5

With `--until-shutdown` the stream ends with the shutdown, instead of being waited for.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

from aiohttp import web

import routeguard
from routeguard import shield, until_shutdown


async def ticks(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b"data: tick\n\n")
        await asyncio.sleep(0.5)


async def work(request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response(text="done")


def make_app(
    drain: float = 30, cleanup: float = 0, *, ends_streams: bool = False
) -> web.Application:
    async def database(app: web.Application) -> AsyncIterator[None]:
        yield
        await asyncio.sleep(cleanup)

    app = web.Application()
    app.router.add_get("/ticks", until_shutdown()(ticks) if ends_streams else ticks)
    app.router.add_post("/work", shield(work))
    app.cleanup_ctx.append(database)
    routeguard.setup(app, drain=drain)
    return app


def serve(options: argparse.Namespace) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    app = make_app(options.drain, options.cleanup, ends_streams=options.until_shutdown)
    patience = options.shutdown_timeout
    web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=patience)


def ask(port: int, method: str, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def measure(arguments: list[str]) -> float:
    """Starts a server with the same options, stops it, and tells how long that took."""
    command = [sys.executable, __file__, *arguments, "--serve"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        ask(port, "POST", "/work").close()
        with ask(port, "POST", "/work"), ask(port, "GET", "/ticks") as stream:
            stream.recv(1000)  # by now all three have begun
            began = time.monotonic()
            server.terminate()
            server.wait()
            return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--drain", type=float, default=30, help="seconds, of routeguard.setup")
    parser.add_argument("--shutdown-timeout", type=float, default=60, help="seconds, of run_app")
    parser.add_argument("--cleanup", type=float, default=0, help="seconds that cleanup takes")
    parser.add_argument("--until-shutdown", action="store_true", help="the stream ends by itself")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options)
        return
    drain, patience, cleanup = options.drain, options.shutdown_timeout, options.cleanup
    rounding = 2 if patience > 5 else 0  # aiohttp's, up to whole seconds, in each of two waits
    longest = max(2 * patience + rounding, drain + 1) + cleanup
    terms = f"max(2 x {patience:g} + {rounding}, {drain:g} + 1) + {cleanup:g}"
    print(f"at most:  {terms} = {longest:.1f} s, and a moment for the process to end")
    print(f"measured: {measure(sys.argv[1:]):.1f} s")


if __name__ == "__main__":
    main()
