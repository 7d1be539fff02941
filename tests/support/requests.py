"""Requests without a server, and exceptions with any attributes.

What stands in for the connection is plain: a mock would remember every question it is asked, and
these are asked some hundred thousand times.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

__all__ = ["Described", "Transport", "a_request", "request_over"]


class Described(Exception):
    """An exception with whatever attributes a test gives it."""

    def __init__(self, text: str = "", **attributes: object) -> None:
        super().__init__(text)
        vars(self).update(attributes)


class Transport:
    """What a transport tells of its socket."""

    def __init__(self, peername: object = None, family: int | None = None) -> None:
        connection = None if family is None else SimpleNamespace(family=family)
        self._told = {"peername": peername, "socket": connection}

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._told.get(name, default)


def request_over(transport: Transport, headers: Iterable[tuple[str, str]] = ()) -> web.Request:
    """A request that came over a connection, and whose answer has not started."""
    protocol = SimpleNamespace(
        ssl_context=None,
        peername=transport.get_extra_info("peername"),
        sockname=None,
        max_field_size=8190,
        max_line_length=8190,
        max_headers=128,
    )
    return make_mocked_request(
        "GET",
        "/",
        headers=CIMultiDict(headers),
        protocol=cast(Any, protocol),
        transport=cast(Any, transport),
        writer=cast(Any, SimpleNamespace(output_size=0)),
    )


ANY = request_over(Transport())


def a_request(
    path: str = "/reports/7",
    *,
    method: str = "GET",
    accept: Iterable[str] = (),
    headers: Iterable[tuple[str, str]] | None = None,
) -> web.Request:
    """A request from nowhere, with any number of `Accept` lines or with headers of its own."""
    if headers is None:
        headers = [("Host", "a.example"), *(("Accept", line) for line in accept)]
    return ANY.clone(method=method, rel_url=path, headers=CIMultiDict(headers))
