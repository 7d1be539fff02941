"""The connection of a request that was answered while shielded work still holds it."""

import asyncio

from aiohttp import web
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

__all__ = ["DetachedError", "guard_writer", "is_own_connection"]


class DetachedError(ConnectionResetError):
    """Shielded work wants to send, though its request has been answered or its client has gone."""


class AnsweringWriter(StreamWriter):
    """The writer of a request that only the request's own task may use any more.

    Preparing a response changes the writer before any hook is asked, and the next bytes on the
    connection may be another answer's.
    """

    own_task: "asyncio.Task[object] | None"

    def _admit(self) -> None:
        if asyncio.current_task() is not self.own_task:
            raise DetachedError("the request has been answered or its client has gone")

    @property
    def length(self) -> int | None:
        found: int | None = vars(self).get("length")
        return found

    @length.setter
    def length(self, length: int | None) -> None:
        self._admit()
        vars(self)["length"] = length

    def enable_chunking(self) -> None:
        self._admit()
        super().enable_chunking()

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        self._admit()
        super().enable_compression(encoding, strategy)

    def send_headers(self) -> None:
        self._admit()
        super().send_headers()

    def set_eof(self) -> None:
        self._admit()
        super().set_eof()

    async def write_headers(self, status_line: str, headers: "CIMultiDict[str]") -> None:
        self._admit()
        await super().write_headers(status_line, headers)

    async def write(
        self,
        chunk: "bytes | bytearray | memoryview[int] | memoryview[bytes]",
        *,
        drain: bool = True,
        LIMIT: int = 0x10000,  # noqa: N803 - aiohttp's own
    ) -> None:
        self._admit()
        await super().write(chunk, drain=drain, LIMIT=LIMIT)

    async def write_eof(self, chunk: bytes = b"") -> None:
        self._admit()
        await super().write_eof(chunk)


def guard_writer(request: web.BaseRequest, task: "asyncio.Task[object] | None") -> None:
    """From here on only a task may write to the connection of a request."""
    writer = request.writer
    if type(writer) is StreamWriter:
        # The one way in: aiohttp made the writer, and responses take it from the request.
        writer.__class__ = AnsweringWriter
        assert isinstance(writer, AnsweringWriter)
        writer.own_task = task


def is_own_connection(request: web.BaseRequest, error: BaseException) -> bool:
    """Whether an error was raised in writing to a request's own connection.

    It tells a client that has left from a failure of some other connection that the handler uses.
    """
    writer, protocol = request.writer, request.protocol
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_locals.get("self") in (writer, protocol):
            return True
        step = step.tb_next
    return False
