"""What a response knows of itself and tells only by making something."""

from http.cookies import SimpleCookie
from typing import TypeVar

from aiohttp import web
from multidict import CIMultiDict

__all__ = ["cookies_of", "headers_to_give", "stored_in"]

T = TypeVar("T")

NOT_KNOWN: SimpleCookie = SimpleCookie()
"""What stands for a response of another make, which is asked for its jar."""

PROBE: CIMultiDict[str] = CIMultiDict()
COPIES: bool = web.Response(headers=PROBE).headers is not PROBE
"""Whether a response copies the headers that it is given; aiohttp 3.11.11 writes into them."""


def headers_to_give(headers: "CIMultiDict[str]") -> "CIMultiDict[str]":
    """Headers that a response can be given though other responses get them, too."""
    return headers if COPIES else headers.copy()


def cookies_of(response: web.StreamResponse) -> "SimpleCookie | None":
    """The cookies that a response was given; `None` where it has none.

    To ask for `response.cookies` makes a jar of them.
    """
    if getattr(response, "_cookies", NOT_KNOWN) is None:
        return None
    return response.cookies or None


def stored_in(response: web.StreamResponse, key: "web.ResponseKey[T]") -> T | None:
    """What is stored in a response by a key; `None` where nothing is.

    To ask the response itself, which has no such key most often, takes several times as long.
    """
    stored = getattr(response, "_state", None)
    found: T | None = response.get(key) if stored is None else stored.get(key)
    return found
