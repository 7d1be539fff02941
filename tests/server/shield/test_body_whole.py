"""Bodies that have arrived in full before their shielded handler runs."""

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from routeguard import shield, use
from routeguard.internals.bodies import limit_body
from routeguard.internals.reader import GuardedReader, WholeReader
from tests.support.bodies import Late, disconnected
from tests.support.serving import serving

WHOLE = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
HALF = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo"


@web.middleware
async def limiting(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bounds the body inside the shield, as where a request is handed to another application."""
    limit_body(request, max_size=100)
    return await handler(request)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_whole_body_stays_readable_when_it_is_bounded_later(reset: bool) -> None:
    late = Late(web.Request.read, shield, use(limiting))
    async with serving(late.app) as server:
        await disconnected(server, late, message=WHOLE, reset=reset)

        assert await late.read_now() == b"body"


async def test_a_whole_body_that_is_bounded_later_may_be_too_large() -> None:
    async def read(request: web.Request) -> object:
        limit_body(request, max_size=3)
        with pytest.raises(web.HTTPRequestEntityTooLarge):
            await request.read()
        return "refused"

    late = Late(read, shield)
    late.gate.set()
    async with serving(late.app) as server:
        client = await server.dial()
        await client.send(WHOLE).answer()

    assert late.outcome == "refused"


@pytest.mark.parametrize(("message", "kind"), [(WHOLE, WholeReader), (HALF, GuardedReader)])
async def test_the_reader_of_a_whole_body_only_keeps_it(message: bytes, kind: type) -> None:
    async def read(request: web.Request) -> type:
        return type(request.content)

    late = Late(read, shield)
    late.gate.set()
    async with serving(late.app) as server:
        client = await server.dial()
        client.send(message)

        assert await late.read_now() is kind
