"""What is kept of a request on its writer, which aiohttp makes for each request.

The writer is read where the request keeps it; `probe` finds out at start-up whether it is there.
"""

from aiohttp import web
from aiohttp.http import StreamWriter

__all__ = ["keep", "kept_of", "kept_until"]

SLOT = "routeguard_state"
"""The attribute of a request's writer in which the state of the request is kept.

In the fast lane's quickest case there is no state. The attribute then holds the response on which
all is written that policies write, until the response hook is asked.

A request has one writer, and so have all its clones. What is stored on a clone by its key is not
on the request that aiohttp gives to response hooks.
"""

# CPython keeps the attributes of an object in line, beside it, for names that the first objects of
# its class had. Any other name turns all of them into a dictionary, and the writer is slower to
# read from then on, by a tenth of what a request takes. So one of the first has the name.
setattr(StreamWriter.__new__(StreamWriter), SLOT, None)


def keep(request: web.BaseRequest, kept: object) -> None:
    """Keeps something on the writer of a request, in place of what was kept there.

    aiohttp's property `writer` takes several times as long as what it returns.
    """
    request._payload_writer.routeguard_state = kept  # type: ignore[attr-defined]


def kept_of(request: web.BaseRequest) -> object:
    """What is kept on the writer of a request; `None` where nothing is."""
    return getattr(request._payload_writer, SLOT, None)


def kept_until(response: web.StreamResponse, request: web.BaseRequest) -> object:
    """What is kept on the writer of a request until a response to it begins.

    The response itself, if it is what is kept, is kept no longer: from now on response, request
    and writer would be a cycle.
    """
    writer = request._payload_writer
    kept: object = getattr(writer, SLOT, None)
    if kept is response:
        writer.routeguard_state = None  # type: ignore[attr-defined]
    return kept
