"""An application must not start with an aiohttp whose inside is not what was expected."""

import asyncio
import types
from functools import partial

import aiohttp
import pytest
from aiohttp import StreamReader, http_parser, web, web_protocol
from aiohttp.http import StreamWriter

from routeguard.internals import probe as probing
from routeguard.internals.probe import probe


class OtherWriter(StreamWriter):
    """What aiohttp's writer would be under another name."""


class OtherReader(StreamReader):
    """What aiohttp's reader would be under another name."""

    __slots__ = ()


class LargerReader(StreamReader):
    """A reader whose objects no longer have the layout of ours."""

    __slots__ = ("more",)


async def faults_of(app: web.Application | None = None) -> str:
    return "\n".join(await probe(app or web.Application()))


async def test_this_aiohttp_has_no_fault() -> None:
    assert await faults_of() == ""


async def test_a_writer_of_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_protocol, "StreamWriter", OtherWriter)
    faults = await faults_of()
    assert faults.startswith(f"aiohttp {aiohttp.__version__}: the server makes writers of")
    assert "OtherWriter, not of aiohttp.http_writer.StreamWriter" in faults


async def test_a_reader_of_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    # The parser in C keeps its names to itself.
    monkeypatch.setattr(web_protocol, "HttpRequestParser", http_parser.HttpRequestParserPy)
    monkeypatch.setattr(http_parser, "StreamReader", OtherReader)
    assert "readers of bodies of" in await faults_of()


async def test_a_reader_of_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "StreamReader", LargerReader)
    assert "LargerReader cannot be exchanged" in await faults_of()


@pytest.mark.parametrize("cls", probing.RELIED_ON, ids=lambda cls: cls.__name__)
async def test_a_member_that_is_gone(cls: type, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(probing.RELIED_ON[cls], tuple)
    monkeypatch.setitem(probing.RELIED_ON, cls, (*probing.RELIED_ON[cls], "_is_no_more"))
    faults = await faults_of()
    assert f"{cls.__module__}.{cls.__qualname__} has no _is_no_more" in faults


async def test_a_request_that_is_none_of_aiohttps() -> None:
    app = web.Application()
    made = partial(web.BaseRequest, loop=asyncio.get_running_loop())
    app._make_request = made  # type: ignore[assignment,method-assign]
    assert "the server makes requests of" in await faults_of(app)


async def test_a_request_of_a_users_own_class_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Own(web.Request):
        pass

    app = web.Application()
    monkeypatch.setattr(app, "_make_request", partial(app._make_request, _cls=Own))
    assert await faults_of(app) == ""


async def test_a_reader_that_no_longer_asks_before_it_hands_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The names are all there; what happens between them has changed."""

    async def readchunk(self: StreamReader) -> tuple[bytes, bool]:
        return b"", True

    monkeypatch.setattr(StreamReader, "readchunk", readchunk)
    assert "a body that is too large is not refused" in await faults_of()


async def test_a_request_that_keeps_its_body_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(web.Request):
        @property
        def content(self) -> StreamReader:
            return StreamReader(self.protocol, 2**16, loop=asyncio.get_running_loop())

    app = web.Application()
    monkeypatch.setattr(app, "_make_request", partial(app._make_request, _cls=Own))
    assert "a request keeps its body elsewhere than in _payload" in await faults_of(app)


async def test_a_request_that_keeps_its_writer_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(web.Request):
        @property
        def writer(self) -> StreamWriter:
            return StreamWriter(self.protocol, asyncio.get_running_loop())

    app = web.Application()
    monkeypatch.setattr(app, "_make_request", partial(app._make_request, _cls=Own))
    assert "a request keeps its writer elsewhere than in _payload_writer" in await faults_of(app)


async def test_a_server_that_handles_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PATIENCE", 0.05)
    monkeypatch.setattr(web_protocol.RequestHandler, "data_received", lambda self, data: None)
    assert "a request was not handled" in await faults_of()


async def test_a_probe_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    await faults_of()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


def test_every_method_of_the_writer_that_writes_is_guarded() -> None:
    """What a newer aiohttp adds shows here, and is to be guarded or named below."""
    from routeguard.internals.writer import GuardedWriter

    reading = {"__init__", "transport", "protocol"}
    # These send by `_write` and `_writelines`, which are guarded.
    helping = {"_write_chunked_payload", "_send_headers_with_payload"}
    found = {
        name
        for cls in StreamWriter.__mro__[:2]
        for name, member in vars(cls).items()
        if isinstance(member, types.FunctionType | property)
    }
    assert found - reading - helping <= set(vars(GuardedWriter))
