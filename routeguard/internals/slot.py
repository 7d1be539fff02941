"""A place for what is known of a request, which all clones of the request share."""

from aiohttp import web

__all__ = ["keep", "kept"]

SLOT = "routeguard_state"
"""An attribute of the request's writer.

A request has one writer, and so have all its clones. What is stored on a clone by its key is not
on the request that aiohttp gives to response hooks.
"""


def keep(request: web.BaseRequest, what: object) -> None:
    """Keeps something with a request and all its clones."""
    # Not by way of `__dict__`: the writer would be slower to read from then on.
    setattr(request.writer, SLOT, what)


def kept(request: web.BaseRequest) -> object:
    """What is kept with a request; `None` where nothing is."""
    found: object = getattr(request.writer, SLOT, None)
    return found
