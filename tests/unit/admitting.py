"""Which origins a policy admits.

What is admitted is asked of `explain`, which is told by the code that serves requests.
"""

import re
from collections.abc import Callable, Collection

from aiohttp import web
from yarl import URL

from routeguard import cors, explain, setup

Origins = str | re.Pattern[str] | URL | Collection[str | re.Pattern[str] | URL]


async def answer(request: web.Request) -> web.Response:
    return web.Response()


def admits(origins: Origins) -> Callable[[str], bool]:
    """A question that a policy of these origins answers: is this one admitted?"""
    app = web.Application()
    app.router.add_get("/", answer)
    setup(app, cors(origins))

    def ask(origin: str) -> bool:
        said = explain(app, "GET", "/", origin=origin).cors
        assert said in {"allowed", "refused: the origin is not allowed"}
        return said == "allowed"

    return ask
