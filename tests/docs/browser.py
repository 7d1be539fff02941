"""Runs the scripts of a page's `js` blocks where a reader would: in a page of another origin."""

from aiohttp import web
from playwright.async_api import async_playwright

__all__ = ["console_of"]


async def console_of(chromium: str, script: str) -> list[str]:
    """What a script writes to the console of Chromium, in an empty page from a port of its own."""
    app = web.Application()
    app.router.add_get("/", empty_page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    written: list[str] = []
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--headless"]
            )
            page = await browser.new_page()
            page.on("console", lambda message: written.append(message.text))
            await page.goto(f"http://localhost:{runner.addresses[0][1]}/")
            await page.evaluate(f"async () => {{ {script} }}")
            await browser.close()
    finally:
        await runner.cleanup()
    return written


async def empty_page(request: web.Request) -> web.Response:
    page = '<!doctype html><link rel="icon" href="data:,">'
    return web.Response(text=page, content_type="text/html")
