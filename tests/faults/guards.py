"""What is to keep a handler's work alive: routeguard, its peers, and nothing."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiojobs.aiohttp
from aiohttp import web
from aiohttp_middlewares.constants import NON_IDEMPOTENT_METHODS
from aiohttp_middlewares.shield import shield_middleware

import routeguard

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Guard:
    """One contender, used as its documentation says and with its defaults."""

    decorate: Callable[[Handler], Callable[[web.Request], Awaitable[web.StreamResponse]]]
    install: Callable[[web.Application], None]


def undecorated(handler: Handler) -> Handler:
    return handler


def uninstalled(app: web.Application) -> None:
    """aiohttp alone."""


def middlewares(app: web.Application) -> None:
    app.middlewares.append(shield_middleware(methods=NON_IDEMPOTENT_METHODS))


GUARDS = {
    "aiohttp": Guard(undecorated, uninstalled),
    "aiohttp-middlewares": Guard(undecorated, middlewares),
    "aiojobs": Guard(aiojobs.aiohttp.atomic, aiojobs.aiohttp.setup),
    "routeguard": Guard(routeguard.shield, routeguard.setup),
}
