"""The other libraries, configured as their documentation asks."""

import re
from collections.abc import Iterable, Sequence

import aiohttp_cors
from aiohttp import web
from aiohttp_middlewares.cors import cors_middleware
from aiohttp_middlewares.error import default_error_handler, error_middleware
from aiohttp_middlewares.https import https_middleware
from aiohttp_middlewares.shield import shield_middleware
from aiohttp_middlewares.timeout import timeout_middleware

from . import views

Patterns = Sequence[str | re.Pattern[str]]


def five_middlewares(app: web.Application, origins: Patterns = views.ORIGINS) -> web.Application:
    """aiohttp-middlewares for the whole application, in the order that the manual asks for."""
    app.middlewares.extend(
        (
            https_middleware(),
            cors_middleware(origins=origins, max_age=views.MAX_AGE),
            error_middleware(),
            timeout_middleware(views.SECONDS),
            shield_middleware(methods=views.SHIELDED_METHODS),
        )
    )
    return app


def five_patterned(app: web.Application, patterns: Patterns, governing: str) -> web.Application:
    """The same by URL patterns: four of the five take them, and each is given all of them."""
    app.middlewares.extend(
        (
            https_middleware(),
            cors_middleware(origins=views.ORIGINS, urls=[*patterns, governing]),
            error_middleware(config=dict.fromkeys(patterns, default_error_handler)),
            timeout_middleware(views.SECONDS, ignore=[*patterns]),
            shield_middleware(urls=dict.fromkeys([*patterns, governing], ("POST",))),
        )
    )
    return app


def aiohttp_cors_alone(origins: Iterable[str] = views.ORIGINS) -> web.Application:
    """aiohttp-cors on every route."""
    app = views.application()
    allowed = aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
        allow_headers=("Accept", "Authorization", "Content-Type"), max_age=views.MAX_AGE
    )
    setup = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, allowed))
    for route in views.add_views(app):
        setup.add(route)
    return app
