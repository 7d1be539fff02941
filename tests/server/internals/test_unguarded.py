"""Objects of other classes than aiohttp makes, found as a request is served."""

import asyncio

import pytest
from aiohttp import StreamReader, http_parser, web, web_protocol
from aiohttp.http import StreamWriter
from aiohttp.test_utils import make_mocked_request

from routeguard import setup, shield, timeout
from routeguard.internals.bodies import guard_body, is_waiting_for_body, keep_body
from routeguard.internals.writer import guard_writer
from tests.support.messages import request
from tests.support.serving import serving


class OtherWriter(StreamWriter):
    """A writer that somebody has put in the place of aiohttp's."""


class OtherReader(StreamReader):
    """A reader that somebody has put in the place of aiohttp's."""

    __slots__ = ()


Swap = tuple[object, str, type]

WRITER: list[Swap] = [(web_protocol, "StreamWriter", OtherWriter)]
READER: list[Swap] = [
    (web_protocol, "HttpRequestParser", http_parser.HttpRequestParserPy),
    (http_parser, "StreamReader", OtherReader),
]


async def status_of(
    message: bytes, swaps: list[Swap], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, bool]:
    ran = False

    async def handler(request: web.Request) -> web.Response:
        nonlocal ran
        ran = True
        return web.Response()

    async def put_other_classes_in_place(app: web.Application) -> None:
        for where, name, other in swaps:
            monkeypatch.setattr(where, name, other)

    app = web.Application()
    app.router.add_post("/", handler)
    setup(app, shield, timeout(50))
    app.on_startup.append(put_other_classes_in_place)  # after the probe
    async with serving(app) as server:
        return (await (await server.dial()).send(message).answer()).status, ran


async def test_a_writer_is_found_before_the_handler_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await status_of(request("POST", "/"), WRITER, monkeypatch) == (500, False)


async def test_a_reader_is_found_before_the_handler_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    message = request("POST", "/", body=b"x")
    assert await status_of(message, READER, monkeypatch) == (500, False)


async def test_a_reader_does_not_matter_where_there_is_nothing_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await status_of(request("POST", "/"), READER, monkeypatch) == (200, True)


async def test_a_request_that_a_test_has_mocked_is_nobodys_fault() -> None:
    mocked = make_mocked_request("POST", "/")
    assert guard_body(mocked) is None
    keep_body(mocked)
    guard_writer(mocked, asyncio.current_task())
    assert not is_waiting_for_body(mocked)
