"""The answer to an exception that no policy has answered and aiohttp would not answer well."""

import logging

from aiohttp import web

from routeguard.http import is_cors_header, is_http_exception
from routeguard.quoting import quoted
from routeguard.running.deadlines import HandlerTimeout
from routeguard.running.started import can_be_answered
from routeguard.running.state import headers_as_raised
from routeguard.running.unfinished import unfinished

__all__ = ["last_answer"]

logger: logging.Logger = logging.getLogger("routeguard.timeout")

# What aiohttp writes into the headers of a response as it sends it.
STAMPED = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})


def last_answer(
    request: web.BaseRequest, error: Exception, begun: web.StreamResponse | None
) -> web.StreamResponse | None:
    """The answer to an error that would not reach the client, or middlewares outside.

    A timeout is answered with 504 and logged, as aiohttp would do later, so that middlewares
    outside see a status; where the response had started, it is logged. An `HTTPException` that
    was another request's response before is copied: aiohttp sends nothing for one that it has
    sent already, and the same object raised for another request would leave that client waiting.

    Args:
        request: the request.
        error: what was raised. Of a timeout, a response that had started is cut off already.
        begun: the response that was begun for this request, if one was.

    Returns:
        The answer; `None` for anything else, which is to be raised on.
    """
    if isinstance(error, HandlerTimeout):
        return _timed_out(request, error, begun)
    if not is_http_exception(error) or not error.prepared or error is begun:
        return None
    if request.writer.output_size > 0:
        return None
    headers = headers_as_raised(error).copy()
    for name in list(headers):
        if name.lower() in STAMPED or is_cors_header(name):
            headers.popall(name, None)
    return web.Response(status=error.status, reason=error.reason, headers=headers, body=error.body)


def _timed_out(
    request: web.BaseRequest, timeout: HandlerTimeout, begun: web.StreamResponse | None
) -> web.StreamResponse:
    answerable = can_be_answered(request, begun)
    logger.error(
        "%s %s %s: %s (%s bound of %g s)",
        quoted(request.method),
        quoted(request.path),
        "is answered with 504" if answerable else "is cut off after its response had started",
        timeout,
        timeout.bound,
        timeout.seconds,
        exc_info=timeout,
    )
    if not answerable:
        return unfinished(begun)
    answer = web.Response(status=timeout.status, content_type="text/plain")
    answer.force_close()
    return answer
