"""Streams that pages of another origin read, under nothing but a bound on their start."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from routeguard import Policy, cors, errors, setup, shield, timeout
from tests.support.messages import parse
from tests.support.serving import serving

SHORT = 0.1
PAGE = "https://page.example"
OTHERS = pytest.mark.parametrize("others", [[], [shield]], ids=["", "shield"])


class Streaming:
    """An application with one stream; it goes on when it has outlived the bound on its start."""

    def __init__(self, *others: Policy, fails: bool = False, headers: dict[str, str]) -> None:
        self.fails = fails
        self.headers = headers
        self.app = web.Application()
        self.app.router.add_get("/", self.stream)
        setup(self.app, cors(PAGE), errors(), timeout(2 * SHORT), *others, drain=0)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers=self.headers)
        await stream.prepare(request)
        await stream.write(b"first")
        if self.fails:
            raise LookupError("in the middle")
        await asyncio.sleep(4 * SHORT)
        await stream.write(b", second")
        await stream.write_eof()
        return stream


@OTHERS
async def test_a_stream_outlives_the_bound_on_its_start(others: list[Policy]) -> None:
    async with serving(Streaming(*others, headers={}).app) as server:
        client = (await server.dial()).get("/", Origin=PAGE).get("/", Origin=PAGE)
        answers = [await client.answer(), await client.answer()]

    for answer in answers:
        assert answer.status == 200
        assert answer.body == b"first, second"
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["vary"] == "Origin"


@OTHERS
async def test_what_a_stream_says_of_origins_itself_is_replaced(others: list[Policy]) -> None:
    own = {
        "Vary": "Accept",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Anything": "true",
    }
    async with serving(Streaming(*others, headers=own).app) as server:
        answer = await (await server.dial()).get("/", Origin=PAGE).answer()

    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-anything" not in answer.headers
    assert answer.headers["vary"] == "Accept, Origin"


@OTHERS
@pytest.mark.parametrize("name", ["Vary", "Access-Control-Max-Age"])
async def test_one_header_of_a_streams_own_is_seen(others: list[Policy], name: str) -> None:
    async with serving(Streaming(*others, headers={name: "7"}).app) as server:
        answer = await (await server.dial()).get("/", Origin=PAGE).answer()

    assert answer.headers["vary"] == ("7, Origin" if name == "Vary" else "Origin")
    assert "access-control-max-age" not in answer.headers


@OTHERS
async def test_a_stream_that_fails_is_cut_off_and_logged_once(
    others: list[Policy], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Streaming(*others, fails=True, headers={}).app) as server:
        answer = await (await server.dial()).get("/", Origin=PAGE).rest()

    assert (answer.body, answer.complete) == (b"first", False)
    failures = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in failures] == [
        "GET / (/) failed after its response had started"
    ]


@OTHERS
async def test_an_http_1_0_stream_that_fails_is_reset(others: list[Policy]) -> None:
    """There the end of the connection is the end of the body (RFC 9112, section 6.3)."""
    message = f"GET / HTTP/1.0\r\nOrigin: {PAGE}\r\n\r\n".encode()
    async with serving(Streaming(*others, fails=True, headers={}).app) as server:
        client = (await server.dial()).send(message)
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def waits() -> None:
    await asyncio.Event().wait()


async def raises() -> None:
    raise web.HTTPConflict(text="in the middle")


@pytest.mark.parametrize("ends", [waits, raises])
@pytest.mark.parametrize("origin", [{}, {"Origin": PAGE}], ids=["no origin", "origin"])
@pytest.mark.parametrize("others", [[], [shield(limit=SHORT)]], ids=["", "shield"])
async def test_a_packed_stream_is_followed_by_no_other_answer(
    others: list[Policy], origin: dict[str, str], ends: Callable[[], Awaitable[None]]
) -> None:
    """Its headers may not be sent yet, but the writer packs whatever is sent now."""

    async def stream(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        stream.enable_compression(web.ContentCoding.gzip)
        await stream.prepare(request)
        await ends()
        return stream

    bound = timeout(60, total=SHORT) if ends is waits and not others else timeout(60)
    app = web.Application()
    app.router.add_get("/", stream)
    setup(app, cors(PAGE), errors(), bound, *others, drain=0)
    async with serving(app) as server:
        client = (await server.dial()).get("/", Accept_Encoding="gzip", **origin)
        client.received += await client.reader.read()

    assert [answer.status for answer in parse(client.received) if answer.complete] == []
