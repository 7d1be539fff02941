"""The orders API. The handlers state their policies; `protect` states the rest, once.

`make_api` needs no argument, so the command line can read the policies without starting it::

    python -m routeguard routes examples.tour.api:make_api
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from aiohttp import web

import routeguard
from examples.tour.dripping import offer_dripping
from examples.tour.replica import offer_replicas
from examples.tour.store import Orders, Row, opened
from routeguard import (
    Event,
    body,
    concurrency_limit,
    cors,
    csrf,
    default_error_handler,
    errors,
    https,
    problem_details,
    rate_limit,
    rule,
    shield,
    timeout,
    until_shutdown,
)

Observer = Callable[[Event], object]
ORDERS = web.AppKey("orders", Orders)
PAGES = ("http://127.0.0.1:*", "http://localhost:*")

log = logging.getLogger("tour.orders")
routes = web.RouteTableDef()


@routes.get("/orders")
async def orders(request: web.Request) -> web.Response:
    return web.json_response(await request.app[ORDERS].listed())


@routes.get("/reports/{period:week|year}")
@timeout(0.5)
async def report(request: web.Request) -> web.Response:
    slow = request.match_info["period"] == "year"
    await asyncio.sleep(5 if slow else 0.05)  # without an index
    turnover = await request.app[ORDERS].turnover()
    return web.json_response({"turnover": turnover})


@routes.post("/payments")
@shield
async def pay(request: web.Request) -> web.Response:
    return await take_payment(request)


@routes.post("/payments/unshielded")
async def pay_unshielded(request: web.Request) -> web.Response:
    return await take_payment(request)


async def take_payment(request: web.Request) -> web.Response:
    payment = await request.json()
    await asyncio.sleep(0.8)  # the bank thinks
    number = await request.app[ORDERS].pay(**payment)
    report_payment(request, number)
    return web.json_response({"payment": number}, status=201)


def report_payment(request: web.Request, number: int) -> None:
    gone = request.transport is None or request.transport.is_closing()
    listener = "nobody is connected any more" if gone else "the client waits"
    log.info("payment %d stored, %s", number, listener, extra={"path": request.path})


@routes.get("/payments")
async def payments(request: web.Request) -> web.Response:
    references = await request.app[ORDERS].payments()
    return web.json_response({"count": len(references), "references": references})


@routes.put("/stock/{item}")
@cors(
    origins=["http://127.0.0.1:*", "http://localhost:*"],
    expose_headers=["X-Pieces"],
    max_age=0,
)
async def restock(request: web.Request) -> web.Response:
    item, more = request.match_info["item"], await request.json()
    pieces = await request.app[ORDERS].restock(item, more)
    headers = {"X-Pieces": str(pieces)}
    return web.Response(status=204, headers=headers)


@routes.put("/ledger/{entry}")
@cors(origins=["https://books.example.com"])
async def book(request: web.Request) -> web.Response:
    entry, cents = request.match_info["entry"], await request.json()
    await request.app[ORDERS].book(entry, cents)
    return web.Response(status=204)


@routes.get("/ledger/{entry}")
async def booked(request: web.Request) -> web.Response:
    entry = request.match_info["entry"]
    return web.json_response(await request.app[ORDERS].booked(entry))


@routes.get(r"/orders/{number:\d{1,9}}")
async def order(request: web.Request) -> web.Response:
    number = int(request.match_info["number"])
    return web.json_response(await request.app[ORDERS].order(number))


@routes.get(r"/v1/orders/{number:\d{1,9}}")
@errors(default_error_handler)
async def order_v1(request: web.Request) -> web.StreamResponse:
    return await order(request)


@routes.get("/orders.csv")
async def download(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/csv"
    await response.prepare(request)
    for first in range(0, 24, 3):
        rows = await request.app[ORDERS].listed(first, 3)
        await response.write(as_csv(rows))
        await asyncio.sleep(0.3)
    return response


def as_csv(rows: list[Row]) -> bytes:
    return "".join(f"{number},{who},{item}\n" for number, who, item, _ in rows).encode()


@routes.get("/feed")
async def feed(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    for tick in range(1, 9):
        await asyncio.sleep(0.3)
        await socket.send_json({"tick": tick, "of": 8})
    await socket.close(message=b"that was all")
    return socket


@routes.get("/prices")
@until_shutdown()
async def prices(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b"data: a lamp is 24.90\n\n")
            await asyncio.sleep(0.2)
    finally:
        log.info("a subscriber less", extra={"path": request.path})


@routes.get("/trades")
@until_shutdown()
async def trades(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"{message.data}: done")
    return socket


@routes.post("/imports")
@routes.post("/imports/trial")
async def import_orders(request: web.Request) -> web.Response:
    await asyncio.sleep(2)  # a supplier's long list
    return web.json_response({"imported": 1200}, status=201)


@routes.post("/account/close")
@csrf()
async def close_account(request: web.Request) -> web.Response:
    return web.json_response({"closed": True})


@routes.get("/quotes/{item}")
@rate_limit("3/5 seconds", name="quotes")
@cors(PAGES, expose_headers=["RateLimit", "RateLimit-Policy", "Retry-After"])
async def quote(request: web.Request) -> web.Response:
    return web.json_response({"item": request.match_info["item"], "cents": 1900})


@routes.get("/thumbnails/{item}")
@concurrency_limit(2, waiting=2)
async def thumbnail(request: web.Request) -> web.Response:
    await asyncio.sleep(0.4)  # two cores, and a picture on each
    return web.json_response({"picture of": request.match_info["item"]})


@routes.post("/photos")
@body(200_000, total=0.8)
async def photo(request: web.Request) -> web.Response:
    return web.json_response({"bytes": len(await request.read())}, status=201)


def protect(api: web.Application, *observers: Observer) -> None:
    routeguard.setup(
        api,
        rule("POST /imports", timeout(None)),
        rule("/replicas/*", timeout(10)),  # a shutdown waits for payments
        # The fallbacks: what holds wherever nothing nearer was said.
        timeout(1.5),
        cors(origins=PAGES),
        errors(problem_details),
        https(),
        drain=10,
        observers=observers,
    )


def make_api(*observers: Observer) -> web.Application:
    """The application, complete but not started: its database opens with it."""
    api = web.Application()
    api.add_routes(routes)
    offer_replicas(api, make_api)
    offer_dripping(api)
    protect(api, *observers)
    api.cleanup_ctx.append(database)
    return api


async def database(api: web.Application) -> AsyncIterator[None]:
    async with opened() as api[ORDERS]:
        yield
