"""`use`: any aiohttp middleware, on one route or rule only."""

import inspect
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web

from routeguard.configuration import ConfigError, shown
from routeguard.policy import Bound, Middleware, Place, Policy, is_async

__all__ = ["use"]


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

    def bind(self, place: Place) -> "BoundUse":
        """The middleware with the application that stated it."""
        return BoundUse(self.middleware, place.app)

    def __repr__(self) -> str:
        name = getattr(self.middleware, "__qualname__", None) or repr(self.middleware)
        return f"use({name})"


class BoundUse(Bound):
    """One `use` in one run of the application."""

    __slots__ = ("_app", "_middleware")

    def __init__(self, middleware: Middleware, app: web.Application) -> None:
        self._middleware = middleware
        self._app = app

    def beside_handler(self) -> tuple[Middleware, web.Application]:
        return self._middleware, self._app


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
