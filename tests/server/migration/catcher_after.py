"""An order service with routeguard."""

from aiohttp import web

import routeguard
from routeguard import error_context, errors


class NoSuchOrder(Exception):
    pass


class Declined(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def order(request: web.Request) -> web.Response:
    raise NoSuchOrder("there is no order 7")


async def pay(request: web.Request) -> web.Response:
    raise Declined("the card has expired")


async def broken(request: web.Request) -> web.Response:
    return web.json_response({"share": 1 / int(request.query["of"])})


async def answer(request: web.Request) -> web.Response:
    with error_context(request) as context:
        # The text of an unexpected exception stays in the log.
        message = context.message if context.status < 500 else "Internal server error"
        return web.json_response(
            {"message": message, "code": context.status}, status=context.status
        )


async def declined(request: web.Request, error: Exception) -> web.Response:
    assert isinstance(error, Declined)
    body = {"message": "payment declined", "code": 402, "reason": error.reason}
    return web.json_response(body, status=402)


async def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/orders/7", order)
    app.router.add_post("/payments", pay)
    app.router.add_get("/share", broken)
    routeguard.setup(app, errors(answer, on={NoSuchOrder: 404, Declined: declined}))
    return app
