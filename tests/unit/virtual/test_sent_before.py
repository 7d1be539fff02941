"""A response object that was sent before, returned for another request."""

import asyncio
import logging

import pytest
from aiohttp import web

from routeguard import Policy, cors, setup, timeout
from tests.support.messages import request as message
from tests.support.virtual import VirtualLoop, Wire, run_virtually, started

A, EVIL = "https://a.example", "https://evil.example"


@pytest.mark.parametrize("policies", [[], [timeout(5, total=10)]], ids=["short", "in full"])
def test_a_response_that_was_sent_before_is_not_examined_again(
    caplog: pytest.LogCaptureFixture, policies: list[Policy]
) -> None:
    async def main(loop: VirtualLoop) -> int:
        kept = web.Response(text="kept")
        returned = 0

        async def keeps(request: web.Request) -> web.Response:
            nonlocal returned
            returned += 1
            return kept

        app = web.Application()
        app.router.add_get("/", keeps)
        setup(app, cors(A), *policies)
        [server] = await started(app)
        for _ in range(3):
            Wire(server).send(message("GET", "/", Origin=EVIL))
            await asyncio.sleep(1)
        return returned

    caplog.set_level(logging.INFO, "routeguard.cors")
    assert run_virtually(main) == 3
    assert [one.name for one in caplog.records].count("routeguard.cors") == 1
