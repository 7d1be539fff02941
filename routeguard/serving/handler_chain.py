"""The middlewares that stand next to a handler, inside those of the application."""

import functools
from collections.abc import Awaitable, Sequence

from aiohttp import web

from routeguard.policy import Handler, Middleware
from routeguard.running.state import State

__all__ = ["HandlerChain"]


class HandlerChain:
    """Middlewares of one plan, placed next to the handler.

    aiohttp hands a dispatcher the other middlewares as a chain of partials around the handler.
    The chain is rebuilt with ours at its inner end; once, as aiohttp keeps the chains it builds.
    """

    __slots__ = ("_built", "_for", "_stated")

    def __init__(self, stated: Sequence[tuple[Middleware, web.Application]]) -> None:
        """Takes the middlewares, outermost first, each with the application that stated it."""
        self._stated = tuple(stated)
        self._for: Handler | None = None
        self._built: Handler | None = None

    def _around(self, request: web.Request, handler: Handler) -> Handler:
        """What to call instead of `handler` so that the middlewares run next to the handler."""
        if self._built is None or handler is not self._for:
            inner_app = request.match_info.apps[-1]
            self._built = self._insert(handler, request.match_info.handler, inner_app)
            self._for = handler
        return self._built

    def run(self, request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
        """The innermost link of a plan's chain."""
        return self._around(request, state.handler)(request)

    def _insert(self, handler: Handler, innermost: Handler, app: web.Application) -> Handler:
        if (
            handler != innermost
            and isinstance(handler, functools.partial)
            and "handler" in handler.keywords
        ):
            inner = self._insert(handler.keywords["handler"], innermost, app)
            keywords = {**handler.keywords, "handler": inner}
            rebuilt = functools.partial(handler.func, *handler.args, **keywords)
            return functools.update_wrapper(rebuilt, inner)
        return self._wrap(handler, app)

    def _wrap(self, handler: Handler, app: web.Application) -> Handler:
        outer = app
        for middleware, stating in reversed(self._stated):
            inner = _in_app(outer, handler, stating)
            handler = functools.update_wrapper(
                functools.partial(_through, middleware, inner), handler
            )
            outer = stating
        return _in_app(outer, handler, app)


async def _through(
    middleware: Middleware, handler: Handler, request: web.Request
) -> web.StreamResponse:
    return await middleware(request, handler)


def _in_app(app: web.Application, handler: Handler, around: web.Application) -> Handler:
    """A handler that sees an application as `request.app`, where another one is around it."""
    if app is around:
        return handler

    async def switched(request: web.Request) -> web.StreamResponse:
        match_info = request.match_info
        before = match_info.current_app
        match_info.current_app = app
        try:
            return await handler(request)
        finally:
            match_info.current_app = before

    # As aiohttp's own links do: applications read marks of the handler from what they are given.
    return functools.update_wrapper(switched, handler)
