"""Objects of other classes than aiohttp makes, found as a request is served."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import StreamReader, http_parser, web, web_protocol
from aiohttp.http import StreamWriter
from aiohttp.test_utils import make_mocked_request

from routeguard import ConfigError, setup, shield, timeout
from routeguard.internals.bodies import guard_body, is_waiting_for_body, keep_body
from routeguard.internals.writer import guard_writer
from tests.support.messages import request
from tests.support.serving import serving


class OtherWriter(StreamWriter):
    """A writer that somebody has put in the place of aiohttp's."""


class OtherReader(StreamReader):
    """A reader that somebody has put in the place of aiohttp's."""

    __slots__ = ()


async def status_of(message: bytes, exchange: Callable[[], None]) -> tuple[int, bool]:
    """What is answered where aiohttp's classes are exchanged after the start-up, and who ran."""
    ran = False

    async def handler(request: web.Request) -> web.Response:
        nonlocal ran
        ran = True
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, shield, timeout(50))
    async with serving(app) as server:
        exchange()
        return (await (await server.dial()).send(message).answer()).status, ran


async def test_a_writer_is_found_before_the_handler_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange() -> None:
        monkeypatch.setattr(web_protocol, "StreamWriter", OtherWriter)

    assert await status_of(request("POST", "/"), exchange) == (500, False)


async def test_a_reader_is_found_before_the_handler_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange() -> None:
        monkeypatch.setattr(web_protocol, "HttpRequestParser", http_parser.HttpRequestParserPy)
        monkeypatch.setattr(http_parser, "StreamReader", OtherReader)

    assert await status_of(request("POST", "/", body=b"x"), exchange) == (500, False)
    monkeypatch.undo()
    # Where there is nothing to read, there is nothing to guard.
    assert await status_of(request("POST", "/"), exchange) == (200, True)


async def test_start_up_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_protocol, "StreamWriter", OtherWriter)
    with pytest.raises(ConfigError, match="StreamWriter"):
        await status_of(request("POST", "/"), lambda: None)


async def test_a_request_that_a_test_has_mocked_is_nobodys_fault() -> None:
    mocked = make_mocked_request("POST", "/")
    assert guard_body(mocked) is None
    keep_body(mocked)
    guard_writer(mocked, asyncio.current_task())
    assert not is_waiting_for_body(mocked)
