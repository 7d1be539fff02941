"""A policy, handlers that write CORS headers themselves or fail, and what is to be granted."""

from aiohttp import web
from multidict import CIMultiDict

from routeguard import cors, errors, problem_details, setup, timeout
from tests.server.cors.answers import A, B

POLICY = cors([A, B], allow_credentials=True, expose_headers=["X-Total"])

# What a handler that does its own CORS leaves behind, in every spelling.
OWN = CIMultiDict(
    [
        ("access-control-allow-origin", "*"),
        ("Access-Control-Allow-Origin", "https://own.example"),
        ("ACCESS-CONTROL-ALLOW-CREDENTIALS", "true"),
        ("Access-Control-Expose-Headers", "X-Secret"),
        ("Access-Control-Allow-Methods", "PUT"),
        ("Access-Control-Allow-Private-Network", "true"),
    ]
)


def granted(origin: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "X-Total",
    }


async def forbidden(request: web.Request) -> web.StreamResponse:
    raise web.HTTPForbidden(headers=OWN)


async def failed(request: web.Request) -> web.StreamResponse:
    raise ValueError("broken")


def with_errors(app: web.Application) -> None:
    setup(app, POLICY, timeout(0.5), errors(problem_details))


def without_errors(app: web.Application) -> None:
    setup(app, POLICY, timeout(0.5))
