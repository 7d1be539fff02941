"""The exchanged class of the writer: the connection of a request that has been answered.

Preparing a response changes the writer before any hook is asked, and the next bytes on the
connection may be another answer's. So it is the writer that refuses shielded work which wants to
send after its request has been answered or its client has gone.
"""

import asyncio
import weakref
from collections.abc import Iterable

from aiohttp import web
from aiohttp.http import StreamWriter, WebSocketWriter
from multidict import CIMultiDict

from routeguard.internals.request import UnguardedError, is_served

__all__ = [
    "DetachedError",
    "GuardedWriter",
    "check_writer",
    "guard_writer",
    "is_own_connection",
]

SEND_FILE = web.FileResponse._sendfile.__code__


class DetachedError(ConnectionResetError):
    """Shielded work wants to send, though its request has been answered or its client has gone."""


class GuardedWriter(StreamWriter):
    """The writer of a request that only the request's own task may use any more.

    Every method that sends, and every one that changes how the next bytes are sent, asks first.
    A test finds a method of aiohttp's that does not.
    """

    own_task: "weakref.ref[asyncio.Task[object]] | None"
    """The request's own task. It holds the response and so the writer when it is done."""

    def _admit(self) -> None:
        # The frame holds no task: a task that ends with this error holds its traceback.
        if not self._is_own_task():
            raise DetachedError("the request has been answered or its client has gone")

    def _is_own_task(self) -> bool:
        task = asyncio.current_task()
        return task is not None and self.own_task is not None and self.own_task() is task

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

    async def drain(self) -> None:
        self._admit()
        await super().drain()

    # Whatever else aiohttp may send with comes to one of these.

    def _write(self, chunk: "bytes | bytearray | memoryview[int] | memoryview[bytes]") -> None:
        self._admit()
        super()._write(chunk)

    def _writelines(
        self, chunks: "Iterable[bytes | bytearray | memoryview[int] | memoryview[bytes]]"
    ) -> None:
        self._admit()
        super()._writelines(chunks)


def check_writer(request: web.BaseRequest) -> None:
    """Finds out beforehand whether `guard_writer` can do its work.

    Raises:
        UnguardedError: the server made a writer of another class.
    """
    writer = request.writer
    if type(writer) not in (StreamWriter, GuardedWriter) and is_served(request):
        raise UnguardedError(writer, "the answer to a request is written by")


def guard_writer(request: web.BaseRequest, task: "asyncio.Task[object] | None") -> None:
    """From here on only a task may write to the connection of a request.

    Args:
        request: the request.
        task: the request's own task.

    Raises:
        UnguardedError: the server made a writer of another class.
    """
    check_writer(request)
    writer = request.writer
    if type(writer) is StreamWriter:
        # The one way in: aiohttp made the writer, and responses take it from the request.
        writer.__class__ = GuardedWriter
    if isinstance(writer, GuardedWriter):
        writer.own_task = None if task is None else weakref.ref(task)


def is_own_connection(request: web.BaseRequest, error: BaseException) -> bool:
    """Whether an error was raised in writing to a request's own connection.

    It tells a client that has left from a failure of some other connection that the handler uses.
    """
    writer, protocol = request.writer, request.protocol
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        # A file goes past the writer; the event loop sends it.
        owner = frame.f_locals.get("self")
        # The writer of a WebSocket is one of its own, on the same protocol.
        sends_frames = isinstance(owner, WebSocketWriter) and owner.protocol is protocol
        if frame.f_code is SEND_FILE or owner in (writer, protocol) or sends_frames:
            return True
        step = step.tb_next
    return False
