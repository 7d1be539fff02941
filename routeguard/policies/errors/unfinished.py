"""How a request ends whose response has started and cannot be finished: once, and in silence."""

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from routeguard.running.started import INTERNAL_ERROR, cut_off

__all__ = ["Unfinished", "end_unfinished"]


class Unfinished(web.StreamResponse):
    """Stands for a response that nobody knows: aiohttp ends the request and sends nothing."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        raise ConnectionResetError("the response has started already")


async def end_unfinished(
    request: web.Request, begun: web.StreamResponse | None
) -> web.StreamResponse:
    """Cuts a started response off and closes its connection.

    An exception would make aiohttp log the failure a second time, and write an `HTTPException`
    into the stream that has started. What is returned here meets a connection that is closed,
    and aiohttp takes that for a client that has gone.

    Args:
        request: the request.
        begun: the response that was begun for it, if it is known.

    Returns:
        What to return to aiohttp.
    """
    await cut_off(request, begun, INTERNAL_ERROR)
    if request.transport is not None:
        request.transport.close()  # what was written before is still sent
    if begun is None or not begun.prepared:
        return Unfinished()
    begun.force_close()
    return begun
