"""Hears every byte that arrives on a connection, and what its parser says of them."""

from collections.abc import Callable

from aiohttp import web

__all__ = ["PARSER", "ParserTap"]

PARSER: str = "_parser" if hasattr(web.RequestHandler, "_parser") else "_request_parser"
"""The attribute of a connection that holds its parser; aiohttp 3.14 has renamed it."""


class ParserTap:
    """Stands between a connection and its parser while the body of a request arrives.

    The reader alone does not see all: bytes of which nothing can be unpacked yet, the framing of
    chunks, and errors of the framing, of which the parser in C tells the connection alone.
    """

    __slots__ = ("_hear", "_parser", "_protocol", "_tell")

    def __init__(
        self,
        protocol: web.RequestHandler,
        hear: Callable[[], None],
        tell: Callable[[Exception], None],
    ) -> None:
        """Puts the tap in its place.

        Args:
            protocol: the connection.
            hear: called when bytes have come.
            tell: called with what the parser raises.
        """
        self._protocol = protocol
        self._parser = getattr(protocol, PARSER)
        self._hear = hear
        self._tell = tell
        setattr(protocol, PARSER, self)

    def feed_data(self, data: bytes) -> object:
        """What the connection calls."""
        if data:
            self._hear()
        try:
            return self._parser.feed_data(data)
        except Exception as error:
            self._tell(error)
            raise

    def remove(self) -> None:
        """Takes the tap out."""
        if getattr(self._protocol, PARSER) is self:
            setattr(self._protocol, PARSER, self._parser)

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)
