"""One request on virtual time: what it was answered, and when its handler ended."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from routeguard import Policy, setup
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asked(handler: Handler, *policies: Policy, seconds: float = 100) -> tuple[list[int], float]:
    """Asks one request of a handler under policies; its statuses, and when the handler ended."""

    async def main(loop: VirtualLoop) -> tuple[list[int], float]:
        ended = -1.0

        async def noting(request: web.Request) -> web.StreamResponse:
            nonlocal ended
            try:
                return await handler(request)
            finally:
                ended = loop.time()

        app = web.Application()
        app.router.add_get("/", noting)
        setup(app, *policies)
        [server] = await started(app)
        wire = Wire(server).get("/")
        await asyncio.sleep(seconds)
        assert loop.standing() == []
        return [answer.status for answer in wire.answers()], ended

    return run_virtually(main)
