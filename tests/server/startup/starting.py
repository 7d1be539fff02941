"""Start-up without a server."""

from aiohttp import web


async def start(app: web.Application) -> None:
    """Runs the start-up of an application, and its end."""
    runner = web.AppRunner(app)
    try:
        await runner.setup()
    finally:
        await runner.cleanup()
