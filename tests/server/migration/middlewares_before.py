# mypy: disable-error-code=attr-defined
"""The order service with aiohttp-middlewares."""

import re

from aiohttp import web
from aiohttp_middlewares import (
    NON_IDEMPOTENT_METHODS,
    cors_middleware,
    error_context,
    error_middleware,
    https_middleware,
    shield_middleware,
    timeout_middleware,
)

from .orders import routes

SHOP = "https://shop.example"
PARTNERS = re.compile(r"https://[a-z]+\.partner\.example$")


async def page_error(request: web.Request) -> web.Response:
    with error_context(request) as context:
        return web.Response(text=f"Sorry: {context.err}", status=context.status)


def make_app() -> web.Application:
    app = web.Application(
        middlewares=[
            https_middleware(),
            cors_middleware(
                origins=[SHOP, PARTNERS],
                urls=[re.compile(r"/api/")],
                expose_headers=["X-Order"],
                allow_credentials=True,
                max_age=600,
            ),
            error_middleware(config={re.compile(r"/pages/"): page_error}),
            timeout_middleware(0.3, ignore={"/api/imports": ["POST"]}),
            shield_middleware(methods=NON_IDEMPOTENT_METHODS, ignore={"/api/previews"}),
        ]
    )
    app.add_routes(routes)
    return app
