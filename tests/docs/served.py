"""The application that a page serves, as `localhost:8080`."""

import re
import runpy
from pathlib import Path
from typing import Any
from unittest import mock

from aiohttp import web

from tests.docs.transcript import PageError

__all__ = ["Served"]

ADDRESS = re.compile(r"(localhost|127\.0\.0\.1):8080\b")


class Served:
    """A server of whatever application the page has come to."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._started: web.Application | None = None
        self._cancelling = False
        self._made: tuple[object, web.Application] | None = None
        self._server: tuple[web.Application, web.AppRunner, int] | None = None

    def names(self) -> list[object]:
        """What the page's namespace has to be served."""
        return [self._namespace.get(name) for name in ("app", "make_app")]

    def forget_started(self) -> None:
        """The page has defined a newer application than the one that was started."""
        self._started = None

    def start(self, path: Path) -> None:
        """Runs a file; what it would serve is served from now on."""

        def remember(app: web.Application, **options: Any) -> None:
            self._started = app
            self._cancelling = options.get("handler_cancellation", False)

        self._started = None
        with mock.patch.object(web, "run_app", remember):
            runpy.run_path(str(path), run_name="__main__")
        if self._started is None:
            raise PageError(f"{path.name} does not call web.run_app")

    async def addressed(self, text: str) -> str:
        """A text with the address in it replaced by that of a server, if there is one in it."""
        if not ADDRESS.search(text):
            return text
        return ADDRESS.sub(f"127.0.0.1:{await self._port()}", text)

    def unaddressed(self, text: str) -> str:
        """What was printed, with the address that the page gives."""
        port = 0 if self._server is None else self._server[2]
        return text.replace(f"127.0.0.1:{port}", "localhost:8080")

    async def stop(self) -> None:
        """Stops the server, if there is one."""
        if self._server is not None:
            server, self._server = self._server, None
            await server[1].cleanup()

    async def _port(self) -> int:
        app = self._app()
        if self._server is not None and self._server[0] is app:
            return self._server[2]
        await self.stop()
        runner = web.AppRunner(
            app, handler_cancellation=self._cancelling, access_log=None, shutdown_timeout=1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        self._server = app, runner, port
        return port

    def _app(self) -> web.Application:
        if self._started is not None:
            return self._started
        app, make = self.names()
        if isinstance(app, web.Application):
            return app
        if not callable(make):
            raise PageError("nothing is served: neither `app` nor `make_app` is defined above")
        if self._made is None or self._made[0] is not make:
            self._made = make, make()
        return self._made[1]
