"""Class-based views: policies on the class hold for all its methods, unless one says otherwise.

::

    python -m routeguard routes examples.views:make_app
"""

import asyncio

from aiohttp import web

import routeguard
from routeguard import cors, exempt, shield, timeout

ARTICLES = web.AppKey("articles", dict[str, str])


@cors(origins=["https://reader.example"])
@timeout(0.3)
class Article(web.View):
    @property
    def name(self) -> str:
        return self.request.match_info["name"]

    async def get(self) -> web.Response:
        """Under the class's policies."""
        if self.name not in self.request.app[ARTICLES]:
            raise web.HTTPNotFound
        return web.Response(text=self.request.app[ARTICLES][self.name])

    @shield
    @timeout(5)
    async def put(self) -> web.Response:
        """More time than the class allows, and not to be interrupted."""
        text = await self.request.text()
        await asyncio.sleep(0.5)  # the printer is slow
        self.request.app[ARTICLES][self.name] = text
        return web.Response(status=201)

    @exempt(cors)
    async def delete(self) -> web.Response:
        """Not for other origins."""
        self.request.app[ARTICLES].pop(self.name, None)
        return web.Response(status=204)


class Draft(Article):
    """Inherits the class's policies with the class."""


def make_app() -> web.Application:
    app = web.Application()
    app[ARTICLES] = {"hello": "Hello, reader.\n"}
    app.router.add_view("/articles/{name}", Article)
    app.router.add_view("/drafts/{name}", Draft)
    routeguard.setup(app)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1")
