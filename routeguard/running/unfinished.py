"""How a request ends whose response has started and cannot be finished: once, and in silence."""

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from routeguard.running.started import INTERNAL_ERROR, cut_off

__all__ = ["Unfinished", "end_unfinished", "unfinished"]


class Unfinished(web.StreamResponse):
    """Stands for a response that nobody knows."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        raise ConnectionResetError("the response has started already")


async def end_unfinished(
    request: web.BaseRequest, begun: web.StreamResponse | None
) -> web.StreamResponse:
    """Cuts a started response off, and has aiohttp close its connection.

    Args:
        request: the request.
        begun: the response that was begun for it, if it is known.

    Returns:
        What to return to aiohttp.
    """
    await cut_off(request, begun, INTERNAL_ERROR)
    return unfinished(begun)


def unfinished(begun: web.StreamResponse | None) -> web.StreamResponse:
    """What to return to aiohttp for a response that was cut off.

    An exception would make aiohttp log the failure a second time, and write an `HTTPException`
    into the stream that has started. What is returned here fails as if the client had gone, which
    aiohttp takes in silence.

    Args:
        begun: the response that was cut off, if it is known.
    """
    if begun is None or not begun.prepared:
        return Unfinished()
    if isinstance(begun, web.FileResponse):  # to prepare it again would send the file once more
        return Unfinished(status=begun.status)
    begun.write_eof = _refuse  # type: ignore[method-assign]
    return begun


async def _refuse(data: bytes = b"") -> None:
    raise ConnectionResetError("the response cannot be finished")
