"""Hears every byte that arrives on a connection, and what its parser says of them."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from aiohttp import StreamReader, web

__all__ = ["PARSER", "ParserTap"]

PARSER: str = "_parser" if hasattr(web.RequestHandler, "_parser") else "_request_parser"
"""The attribute of a connection that holds its parser; aiohttp 3.14 has renamed it."""


Parsed: TypeAlias = tuple[Sequence[object], bool, bytes]
"""What a parser returns: messages, whether the protocol changes, and what is not HTTP any more."""

UNPACKS_ALL_AT_ONCE: bool = not hasattr(StreamReader, "set_read_chunk_size")
"""Whether aiohttp unpacks all that has come, however much that will be; 3.14 does so no more."""

PIECE = 4096
"""Bytes: what is unpacked at one go then, to a thousand times as many at most."""


class ParserTap:
    """Stands between a connection and its parser while the body of a request arrives.

    The reader alone does not see all: bytes of which nothing can be unpacked yet, the framing of
    chunks, and errors of the framing, of which the parser in C tells the connection alone.
    """

    __slots__ = ("_hear", "_in_pieces", "_is_over", "_parser", "_protocol", "_tell")

    def __init__(
        self,
        protocol: web.RequestHandler,
        *,
        hear: Callable[[], None],
        tell: Callable[[Exception], None],
        is_over: Callable[[], bool],
        is_compressed: bool,
    ) -> None:
        """Puts the tap in its place.

        Args:
            protocol: the connection.
            hear: called when bytes have come.
            tell: called with what the parser raises.
            is_over: tells whether nothing more is to be unpacked.
            is_compressed: whether the parser unpacks the body.
        """
        self._protocol = protocol
        self._parser = getattr(protocol, PARSER)
        self._hear = hear
        self._tell = tell
        self._is_over = is_over
        self._in_pieces = is_compressed and UNPACKS_ALL_AT_ONCE
        setattr(protocol, PARSER, self)

    def feed_data(self, data: bytes) -> Parsed:
        """What the connection calls."""
        if data:
            self._hear()
        if not self._in_pieces:
            return self._feed(data)
        messages: list[object] = []
        for start in range(0, len(data), PIECE):
            if self._is_over():
                break
            end = start + PIECE
            found, is_upgraded, tail = self._feed(data[start:end])
            messages += found
            if is_upgraded:
                return messages, True, tail + data[end:]
        return messages, False, b""

    def _feed(self, data: bytes) -> Parsed:
        try:
            parsed: Parsed = self._parser.feed_data(data)
        except Exception as error:
            self._tell(error)
            raise
        return parsed

    def remove(self) -> None:
        """Takes the tap out."""
        if getattr(self._protocol, PARSER) is self:
            setattr(self._protocol, PARSER, self._parser)

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)
