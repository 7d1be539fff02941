"""The order service with routeguard."""

import re

from aiohttp import web

import routeguard
from routeguard import (
    NON_IDEMPOTENT_METHODS,
    cors,
    error_context,
    errors,
    exempt,
    https,
    rule,
    shield,
    timeout,
)

from .orders import routes

SHOP = "https://shop.example"
PARTNERS = "https://*.partner.example"


async def page_error(request: web.Request) -> web.Response:
    with error_context(request) as context:
        return web.Response(text=f"Sorry: {context.err}", status=context.status)


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    routeguard.setup(
        app,
        rule("POST /api/imports", timeout(None)),
        rule("/api/previews", exempt(shield)),
        rule(
            "/api/*",
            cors(
                origins=[SHOP, PARTNERS],
                expose_headers=["X-Order"],
                allow_credentials=True,
                max_age=600,
            ),
        ),
        rule(re.compile(r"/pages/"), errors(page_error)),
        https(),
        errors(),
        timeout(0.3),
        shield(methods=NON_IDEMPOTENT_METHODS),
    )
    return app
