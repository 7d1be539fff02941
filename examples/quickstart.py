"""routeguard in thirty seconds: policies on handlers, in rules, and as fallbacks.

Run it, and try::

    curl -i localhost:8080/reports/7                      # 504 after two seconds
    curl -i -H 'Origin: https://app.example.com' localhost:8080/api/status
    curl -i -X POST localhost:8080/payments -d '{"cents": 0}'
"""

import asyncio
import re

from aiohttp import web

import routeguard
from routeguard import cors, errors, https, problem_details, rule, shield, timeout

routes = web.RouteTableDef()


async def payment_failed(request: web.Request, error: Exception) -> web.Response:
    return web.json_response({"payment": "failed", "reason": str(error)}, status=402)


@routes.get("/reports/{id}")
@timeout(2)
@cors(origins=["https://app.example.com"])
async def report(request: web.Request) -> web.Response:
    await asyncio.sleep(60)  # a query that somebody forgot to give an index
    return web.json_response({"report": request.match_info["id"]})


@routes.post("/payments")
@shield
@errors(payment_failed)
async def pay(request: web.Request) -> web.Response:
    cents = int((await request.json())["cents"])
    if cents <= 0:
        raise ValueError("nothing to pay")
    return web.json_response({"paid": cents}, status=201)


@routes.get("/api/status")
async def status(request: web.Request) -> web.Response:
    return web.json_response({"status": "up"})


@routes.get("/downloads/{name}")
async def download(request: web.Request) -> web.Response:
    return web.Response(body=b"0" * 1_000_000)


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    routeguard.setup(
        app,
        rule("/api/*", cors(origins=["https://*.example.com"]), timeout(10)),
        rule(re.compile(r"/downloads/.+"), timeout(None)),
        timeout(30),
        errors(problem_details),
        https(),
    )
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
