"""What fails in the tests of the log, under which policies, and what was logged of it."""

import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

import routeguard
from routeguard import Policy, errors, problem_details, timeout
from tests.server.errors.cases import Told

__all__ = ["POLICIES", "RAISED", "again", "logged", "served"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RAISED: list[Callable[[], Exception]] = [
    lambda: ValueError("x"),
    lambda: web.HTTPNotFound(),
    lambda: web.HTTPServiceUnavailable(),
    lambda: Told(status=404),
    lambda: TimeoutError(),
    lambda: ConnectionResetError("a database hung up"),
    lambda: ExceptionGroup("g", [KeyError("a")]),
]


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    quiet = ("aiohttp.access", "asyncio")
    return [one for one in caplog.records if one.name not in quiet and one.levelno > logging.DEBUG]


def served(handler: Handler, *policies: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    routeguard.setup(app, *policies)
    return app


POLICIES: dict[str, tuple[Policy, ...]] = {
    "errors": (errors(),),
    "with a timeout": (errors(problem_details), timeout(20, idle=20)),
    "only what is named": (errors(None, on={KeyError: problem_details}),),
    "ignoring all": (errors(ignore=Exception),),
}


async def again(request: web.Request, error: Exception) -> web.StreamResponse:
    raise error
