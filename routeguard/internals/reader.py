"""The body of a request under a shield: what has arrived stays readable, what has not fails.

When a connection is lost, and after every answer, aiohttp sets an exception on the body's stream;
reading a body that had fully arrived fails then. What tells it from a truncated one is whether the
stream had reached its end.
"""

from contextlib import suppress

from aiohttp import StreamReader, web
from multidict import MultiDictProxy

from routeguard.running.state import RequestKey, state_of

__all__ = ["abandon_body", "close_files", "keep_body"]

FILES = RequestKey("files", list[web.FileField])

_NOT_GIVEN = BaseException("no cause given")


class KeptReader(StreamReader):
    """A stream that stays readable once it is complete."""

    __slots__ = ()

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _NOT_GIVEN) -> None:
        if self.is_eof():
            return
        if exc_cause is _NOT_GIVEN:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)


class AbandonedReader(StreamReader):
    """A stream whose reader was told that it will not be complete; the rest is thrown away.

    It calls itself ended, so that the connection neither waits for the rest nor reads it in
    competition with the work that still holds the stream. The parser goes on to find the next
    request behind the rest.
    """

    __slots__ = ()

    def is_eof(self) -> bool:
        return True

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        return False

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _NOT_GIVEN) -> None:
        return


class KeptRequest(web.Request):
    """A request whose form remembers its files, so that shielded work can go on reading them."""

    async def post(self) -> "MultiDictProxy[str | bytes | bytearray | web.FileField]":
        form = await super().post()
        self[FILES] = [one for one in form.values() if isinstance(one, web.FileField)]
        if (state := state_of(self)) is not None and state.detached_from is not None:
            _hold_files(self)
        return form


def keep_body(request: web.Request) -> None:
    """Makes the body of a request survive its connection, if it arrives in full."""
    body = request.content
    if type(body) is StreamReader:
        # The one way in: aiohttp made both, and their methods cannot be replaced.
        body.__class__ = KeptReader
        if type(request) is web.Request and request.content_type == "multipart/form-data":
            object.__setattr__(request, "__class__", KeptRequest)


def abandon_body(request: web.Request) -> None:
    """Shielded work goes on alone: keeps what it has of the body, and fails the rest of it."""
    _hold_files(request)
    body = request.content
    if type(body) is KeptReader and not body.is_eof():
        with suppress(RuntimeError):  # somebody waits for more, so nothing is buffered
            body.read_nowait()  # a full buffer would hold the connection up
        body.set_exception(ConnectionResetError("the request was answered before its body came"))
        body.__class__ = AbandonedReader  # type: ignore[assignment]


def _hold_files(request: web.Request) -> None:
    """Keeps aiohttp from closing the files of a form as soon as the request is answered."""
    for field in request.get(FILES, ()):
        field.file.close = _not_yet


def close_files(request: web.Request) -> None:
    """Closes the files that were held."""
    for field in request.get(FILES, ()):
        if field.file.close is _not_yet:
            del field.file.close
            field.file.close()


def _not_yet() -> None:
    return
