"""A client that leaves after all of its body has come, and before anybody has read it."""

import asyncio
import logging

import pytest
from aiohttp import web

from routeguard import body, errors, setup
from tests.support.serving import serving, soon, until

MESSAGE = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("answers", [False, True], ids=["as it is", "as a refusal"])
async def test_what_is_read_too_late_is_the_clients_doing(
    answers: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler may make an answer of its own of it."""
    begun, gate, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        begun.set()
        await gate.wait()
        try:
            await request.read()
        except OSError as error:
            if answers:
                raise web.HTTPUnprocessableEntity(text="no input") from error
            raise
        finally:
            ended.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, body(1000), errors())
    caplog.set_level(logging.INFO)
    async with serving(app) as server:
        client = (await server.dial()).send(MESSAGE)
        await soon(begun)
        client.hang_up()
        await until(lambda: seen[0].transport is None)
        gate.set()
        await soon(ended)

    told = [record for record in caplog.records if record.name.startswith("routeguard")]
    assert [(record.name, record.levelname) for record in told] == [("routeguard.body", "INFO")]
    assert "left before its request was complete" in told[0].getMessage()
