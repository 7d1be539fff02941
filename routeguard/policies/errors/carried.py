"""Headers and cookies of an `HTTPException` that reach the client through the error handler."""

from aiohttp import hdrs, web

from routeguard.http import is_http_exception
from routeguard.internals.response import cookies_of
from routeguard.running.state import headers_as_raised

__all__ = ["carry_over"]

# What belongs to one connection or one body (RFC 9110, sections 7.6.1 and 8), and what aiohttp
# stamps on every response anew.
NOT_CARRIED = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade date server "
    "set-cookie".split()
)


def carry_over(error: Exception, response: web.StreamResponse) -> None:
    """Adds what an `HTTPException` was given to the answer made for it.

    Args:
        error: what was raised; nothing is added where it is no `HTTPException`.
        response: the answer. What it has itself stays as it is.
    """
    if not is_http_exception(error) or response.prepared or response is error:
        return
    carried, headers = headers_as_raised(error), response.headers
    if len(carried) > 1 or hdrs.CONTENT_TYPE not in carried:  # most have no more than that
        own = {name.lower() for name in headers}
        named = carried.get(hdrs.CONNECTION, "").lower()
        left = own | NOT_CARRIED | {token.strip() for token in named.split(",")}
        for name, value in carried.items():
            lower = name.lower()
            if lower not in left and not lower.startswith("content-"):
                headers.add(name, value)
    cookies = cookies_of(error)
    if cookies is None:
        if hdrs.SET_COOKIE not in carried:
            return
        cookies = error.cookies
    set_by_handler = {line.partition("=")[0] for line in headers.getall(hdrs.SET_COOKIE, ())}
    set_by_handler |= response.cookies.keys()
    for line in carried.getall(hdrs.SET_COOKIE, ()):
        if line.partition("=")[0] not in set_by_handler | cookies.keys():
            headers.add(hdrs.SET_COOKIE, line)
    for cookie, morsel in cookies.items():
        if cookie not in set_by_handler:
            response.cookies[cookie] = morsel
