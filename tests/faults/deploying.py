"""A server that is told to stop under open responses: `python -m tests.faults.deploying SETTING`.

Whatever happens in it that a test asks about is printed as it happens, with the time of the
machine's monotonic clock, which the test reads as well. One application has routeguard's
policies; the control is the same application on aiohttp alone.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import TypeVar

import uvloop
from aiohttp import web

import routeguard
from routeguard import Policy, shield, shutting_down, until_shutdown

ENVIRONMENT = "ROUTEGUARD_FAULTS_DEPLOYING"
STOPPING = web.AppKey("stopping", asyncio.Event)

H = TypeVar("H")


@dataclass(frozen=True, slots=True)
class Setting:
    """What varies from one trial to the next.

    Attributes:
        guarded: whether routeguard is used, or aiohttp alone.
        loop: `asyncio` or `uvloop`.
        shutdown_timeout: aiohttp's, in seconds.
        drain: routeguard's, in seconds.
        grace: of `until_shutdown`, in seconds.
        works: for how many seconds shielded work goes on after the shutdown has begun.
    """

    guarded: bool = True
    loop: str = "asyncio"
    shutdown_timeout: float = 60.0
    drain: float = 30.0
    grace: float = 0.0
    works: float = 1.0

    def spelt(self) -> str:
        return json.dumps(asdict(self))


def note(what: str) -> None:
    """Tells the test what happens, and when."""
    print(f"NOTE {time.monotonic():.3f} {what}", flush=True)


def build(setting: Setting) -> web.Application:
    """The application of one trial."""
    app = web.Application()
    app[STOPPING] = asyncio.Event()
    open_requests = 0

    @web.middleware
    async def counted(request: web.Request, handler: object) -> web.StreamResponse:
        nonlocal open_requests
        open_requests += 1
        try:
            return await handler(request)  # type: ignore[operator,no-any-return]
        finally:
            open_requests -= 1

    async def count(request: web.Request) -> web.Response:
        return web.json_response(open_requests - 1)

    async def stream(request: web.Request, content_type: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"data: tick\n\n")
                await asyncio.sleep(0.25)
        finally:
            await asyncio.sleep(0.05)  # as when a subscription is taken back
            note(f"finally {request.path}")

    async def events(request: web.Request) -> web.StreamResponse:
        return await stream(request, "text/event-stream")

    async def download(request: web.Request) -> web.StreamResponse:
        return await stream(request, "application/octet-stream")

    async def socket_(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        try:
            async for _ in response:
                pass
        finally:
            await asyncio.sleep(0.05)
            note(f"finally {request.path}")
        return response

    async def push(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        try:
            while True:
                await response.send_str("tick")
                await asyncio.sleep(0.25)
        finally:
            await asyncio.sleep(0.05)
            note(f"finally {request.path}")

    async def stubborn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        ends = asyncio.get_running_loop().time() + 6
        while (left := ends - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                note("cancellation swallowed")
        return response

    async def last_words(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await app[STOPPING].wait()
        await response.write(b"event: bye\n\n")
        return response

    async def work(request: web.Request) -> web.Response:
        try:
            await app[STOPPING].wait()
            await asyncio.sleep(setting.works)
            note("work done")
        finally:
            note("work finally")
        return web.Response(text="done")

    async def upload(request: web.Request) -> web.Response:
        try:
            await request.read()
        except BaseException as error:
            note(f"body failed with {type(error).__name__}")
            raise
        return web.Response(text="read")

    async def quick(request: web.Request) -> web.Response:
        return web.Response(text="quick")

    async def health(request: web.Request) -> web.Response:
        return web.Response(status=503 if setting.guarded and shutting_down(app) else 200)

    def decorated(policy: Policy, handler: H) -> H:
        return policy(handler) if setting.guarded else handler  # type: ignore[type-var]

    ending = until_shutdown(setting.grace)
    add = app.router.add_route
    for path, handler in {
        "/events": events,
        "/download": download,
        "/socket": socket_,
        "/push": push,
        "/stubborn": stubborn,
    }.items():
        add("GET", path, decorated(ending, handler))
    add("GET", "/last-words", decorated(shield, last_words))
    add("POST", "/work", decorated(shield, work))
    add("POST", "/upload", decorated(shield, upload))
    add("GET", "/quick", quick)
    add("GET", "/health", health)
    add("GET", "/open", count)

    async def on_shutdown(app: web.Application) -> None:
        note("on_shutdown")
        app[STOPPING].set()

    async def database(app: web.Application) -> AsyncIterator[None]:
        yield
        note("database closes")

    if setting.guarded:
        routeguard.setup(app, drain=setting.drain)
    app.middlewares.append(counted)
    app.on_shutdown.append(on_shutdown)
    app.cleanup_ctx.append(database)
    return app


async def for_gunicorn() -> web.AppRunner:
    """What gunicorn's aiohttp worker is pointed at."""
    setting = Setting(**json.loads(os.environ[ENVIRONMENT]))
    return web.AppRunner(build(setting), access_log=None, shutdown_timeout=setting.shutdown_timeout)


async def serve(setting: Setting, listening: socket.socket) -> None:
    """Serves by a runner of its own, until SIGTERM."""
    runner = web.AppRunner(
        build(setting), access_log=None, shutdown_timeout=setting.shutdown_timeout
    )
    await runner.setup()
    await web.SockSite(runner, listening, backlog=4096).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting")
    parser.add_argument("--by", choices=["run_app", "runner"], default="run_app")
    arguments = parser.parse_args()
    setting = Setting(**json.loads(arguments.setting))
    make_loop = uvloop.new_event_loop if setting.loop == "uvloop" else asyncio.new_event_loop
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listening.getsockname()[1], flush=True)
    if arguments.by == "run_app":
        web.run_app(
            build(setting),
            sock=listening,
            backlog=4096,
            access_log=None,
            print=None,
            shutdown_timeout=setting.shutdown_timeout,
            loop=make_loop(),
        )
    else:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(serve(setting, listening))


if __name__ == "__main__":
    main()
