"""The body of a request under a shield: what has arrived stays readable, what has not fails.

When a connection is lost, and after every answer, aiohttp sets an exception on the body's stream;
reading a body that had fully arrived fails then. What tells it from a truncated one is whether the
stream had reached its end.
"""

from contextlib import suppress

from aiohttp import StreamReader, web

__all__ = ["abandon_body", "keep_body"]

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


def keep_body(request: web.Request) -> web.Request:
    """Makes the body of a request survive its connection, if it arrives in full.

    Returns:
        The request for the shielded handler: a clone where aiohttp would close the files of a
        parsed form as soon as the original is answered.
    """
    body = request.content
    if type(body) is StreamReader:
        # The one way in: aiohttp made the stream, and its slots admit no replaced method.
        body.__class__ = KeptReader
        if request.content_type == "multipart/form-data":
            with suppress(RuntimeError):  # read already, so that there is nothing to close
                return request.clone()
    return request


def abandon_body(request: web.Request) -> None:
    """Fails the reading of a body that has not fully arrived and now never will."""
    body = request.content
    if type(body) is KeptReader and not body.is_eof():
        with suppress(RuntimeError):  # somebody waits for more, so nothing is buffered
            body.read_nowait()  # a full buffer would hold the connection up
        body.set_exception(ConnectionResetError("the request was answered before its body came"))
        body.__class__ = AbandonedReader  # type: ignore[assignment]
