"""`Expect: 100-continue`, which aiohttp answers before any middleware is asked.

A route has a handler for it. aiohttp's own sends the 100, and a client sends its body then, however
large. It is replaced, where a route has no other, since there is no public way to it.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web, web_urldispatcher

__all__ = ["DEFAULT", "ExpectHandler", "answer_expectation", "expect_by"]

ExpectHandler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse | None]]

DEFAULT: ExpectHandler | None = getattr(web_urldispatcher, "_default_expect_handler", None)
"""aiohttp's own handler; `probe` sees to it that there is one."""


async def answer_expectation(request: web.Request) -> web.StreamResponse | None:
    """What aiohttp does: a 100, or a 417 for what it does not know."""
    return None if DEFAULT is None else await DEFAULT(request)


def expect_by(handler: ExpectHandler, router: web.UrlDispatcher) -> None:
    """Has `Expect` answered by a handler on all routes that have no handler of their own for it.

    Args:
        handler: the handler. It takes the place of one of an earlier run.
        router: the routes, those of applications mounted in it included.
    """
    for route in router.routes():
        known = getattr(route, "_expect_handler", None)
        if known is DEFAULT or known == handler:
            route._expect_handler = handler
