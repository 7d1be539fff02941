"""A handler whose beginning and end a test decides, and a client that does not wait for it."""

import asyncio

from aiohttp import web

from tests.support.messages import request
from tests.support.serving import Server, soon


class Job:
    """A handler that begins, waits for its gate, and ends as it is told."""

    def __init__(self, ends: Exception | None = None) -> None:
        self.begun, self.gate, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.cancelled = asyncio.Event()
        self.ends = ends

    async def run(self, request: web.Request) -> web.Response:
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.ended.set()
        if self.ends is not None:
            raise self.ends
        return web.Response(text="done")


async def abandoned(server: Server, job: Job, message: bytes | None = None) -> None:
    """A client asks and goes away as soon as the job has begun."""
    client = (await server.dial()).send(message or request("POST", "/"))
    await soon(job.begun)
    client.hang_up()
