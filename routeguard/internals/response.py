"""What a response knows of itself and tells only by making something."""

from http.cookies import SimpleCookie

from aiohttp import web

__all__ = ["cookies_of"]

NOT_KNOWN: SimpleCookie = SimpleCookie()
"""What stands for a response of another make, which is asked for its jar."""


def cookies_of(response: web.StreamResponse) -> "SimpleCookie | None":
    """The cookies that a response was given; `None` where it has none.

    To ask for `response.cookies` makes a jar of them.
    """
    if getattr(response, "_cookies", NOT_KNOWN) is None:
        return None
    return response.cookies or None
