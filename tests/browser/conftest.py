"""One headless Chromium for all tests here, pages of their own for each, and servers on ports.

Everything runs in one event loop: the browser is driven from it, and the servers answer in it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

FETCH = """
async ([url, init]) => {
    try {
        const response = await fetch(url, init);
        return {
            status: response.status,
            type: response.type,
            redirected: response.redirected,
            headers: Object.fromEntries(response.headers),
            body: await response.text(),
        };
    } catch (error) {
        return {error: error.name};
    }
}
"""

Headers = dict[str, str]


@dataclass
class Site:
    """A server, and what it has answered: method, path, and the request's headers."""

    port: int
    answered: list[tuple[str, str, Headers]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def elsewhere(self) -> str:
        """The same server by another name, which to a browser is another site."""
        return f"http://127.0.0.1:{self.port}"

    def methods(self, path: str) -> list[str]:
        """The methods of the requests for a path, as they were answered."""
        return [method for method, answered, _ in self.answered if answered == path]


Serve = Callable[[web.Application], Awaitable[Site]]


async def fetch(page: Page, url: str, **init: Any) -> dict[str, Any]:
    """What JavaScript on a page sees of a fetch: a response, or just the name of an error."""
    seen: dict[str, Any] = await page.evaluate(FETCH, [url, init])
    return seen


REFUSED = {"error": "TypeError"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile without cookies, with empty caches."""
    fresh = await browser.new_context()
    yield fresh
    await fresh.close()


@pytest_asyncio.fixture(loop_scope="session")
async def serve() -> AsyncIterator[Serve]:
    """Starts servers, each on a port of its own."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application) -> Site:
        site = Site(0)

        async def note(request: web.Request, response: web.StreamResponse) -> None:
            site.answered.append((request.method, request.path, dict(request.headers)))

        app.on_response_prepare.append(note)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.port = runner.addresses[0][1]
        return site

    yield start
    for runner in runners:
        await runner.cleanup()


@dataclass
class Opened:
    """A page, and the origin it has."""

    page: Page
    origin: str

    async def fetch(self, url: str, **init: Any) -> dict[str, Any]:
        return await fetch(self.page, url, **init)


Open = Callable[..., Awaitable[Opened]]


async def blank(request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>page</title>", content_type="text/html")


@pytest_asyncio.fixture(loop_scope="session")
async def visit(context: BrowserContext, serve: Serve) -> Open:
    """Opens an empty page on a port of its own; all in one browser profile."""

    async def open_page(*, elsewhere: bool = False) -> Opened:
        app = web.Application()
        app.router.add_get("/", blank)
        site = await serve(app)
        origin = site.elsewhere if elsewhere else site.origin
        page = await context.new_page()
        await page.goto(origin)
        return Opened(page, origin)

    return open_page
