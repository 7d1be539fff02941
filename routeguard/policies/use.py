"""`use`: any aiohttp middleware, on one route or rule only."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web

from routeguard.configuration import ConfigError, shown
from routeguard.policy import Handler, Policy, is_async

__all__ = ["Chain", "Middleware", "use"]

Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class use(Policy):
    """Runs an aiohttp middleware around the handlers that this is stated for, and no others.

    It runs inside the application's own middlewares, next to the handler, and sees as
    `request.app` the application that stated it. Of several, fallbacks are outermost, then the
    rules that match, then decorators in the order in which they are written. The same middleware
    stated twice runs once, at its outermost place.

    Args:
        middleware: a new-style middleware, function or callable object: `async (request,
            handler)`. `@web.middleware` above it is not needed.

    Raises:
        ConfigError: it takes other arguments, is not async, or is of the old style (a factory
            of `(app, handler)`).
    """

    adds_up: ClassVar[bool] = True

    middleware: Middleware

    def __init__(self, middleware: Middleware) -> None:
        _check(middleware)
        object.__setattr__(self, "middleware", middleware)

    def __repr__(self) -> str:
        name = getattr(self.middleware, "__qualname__", None) or repr(self.middleware)
        return f"use({name})"


def _check(middleware: object) -> None:
    name = getattr(middleware, "__qualname__", None) or shown(middleware)
    remedy = "write async def audit(request, handler) and use(audit)"
    if isinstance(middleware, type) or not callable(middleware):
        raise ConfigError(f"use({name}): it is no middleware: {remedy}")
    try:
        signature = inspect.signature(middleware)
        signature.bind(None, None)
    except TypeError:
        raise ConfigError(f"use({name}): a middleware takes (request, handler): {remedy}") from None
    except ValueError:
        return  # written in C, and without a signature to read
    first = next(iter(signature.parameters), "")
    if first == "app" and getattr(middleware, "__middleware_version__", None) != 1:
        raise ConfigError(f"use({name}): it is an old-style middleware factory: {remedy}")
    if not is_async(middleware) and getattr(middleware, "__middleware_version__", None) != 1:
        raise ConfigError(f"use({name}): it is not async: {remedy}")


class Chain:
    """The `use` middlewares of one plan, placed next to the handler.

    aiohttp hands a dispatcher the other middlewares as a chain of partials around the handler.
    The chain is rebuilt with ours at its inner end; once, as aiohttp keeps the chains it builds.
    """

    __slots__ = ("_built", "_for", "_stated")

    def __init__(self, stated: Sequence[tuple[Middleware, web.Application]]) -> None:
        """Takes the middlewares, outermost first, each with the application that stated it."""
        self._stated = tuple(stated)
        self._for: Handler | None = None
        self._built: Handler | None = None

    def around(self, request: web.Request, handler: Handler) -> Handler:
        """What to call instead of `handler` so that the middlewares run next to the handler."""
        if self._built is None or handler is not self._for:
            inner_app = request.match_info.apps[-1]
            self._built = self._insert(handler, request.match_info.handler, inner_app)
            self._for = handler
        return self._built

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
            handler = functools.partial(_through, middleware, _in_app(outer, handler, stating))
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

    return switched
