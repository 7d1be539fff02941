# mypy: disable-error-code="import-untyped"
"""An order service with aiohttp-catcher."""

from aiohttp import web
from aiohttp_catcher import Catcher, catch


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


async def make_app() -> web.Application:
    catcher = Catcher()
    await catcher.add_scenarios(
        catch(NoSuchOrder).with_status_code(404).and_stringify(),
        catch(Declined)
        .with_status_code(402)
        .and_return("payment declined")
        .with_additional_fields(lambda error, request: {"reason": error.reason}),
    )
    app = web.Application(middlewares=[catcher.middleware])
    app.router.add_get("/orders/7", order)
    app.router.add_post("/payments", pay)
    app.router.add_get("/share", broken)
    return app
