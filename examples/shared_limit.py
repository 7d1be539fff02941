"""One limit for several processes: they count together, in Redis.

    redis-server --port 6379
    PORT=8081 python examples/shared_limit.py
    PORT=8082 python examples/shared_limit.py

Each in a terminal of its own. Ten quotes an hour, whichever process is asked. Without Redis each
process counts for itself, says so once in its log, and goes on asking for Redis in the
background::

    curl -i localhost:8080/quotes/tea
    python -m routeguard explain examples.shared_limit:make_app GET /quotes/tea
"""

import logging
import os

from aiohttp import web

import routeguard
from routeguard import errors, problem_details, rate_limit

STORE = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

routes = web.RouteTableDef()


@routes.get("/quotes/{item}")
@rate_limit("10/hour", name="quotes", store=STORE)
async def quote(request: web.Request) -> web.Response:
    return web.json_response({"item": request.match_info["item"], "by": os.getpid()})


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    routeguard.setup(app, errors(problem_details))
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
