"""A middleware that denies, and which paths it denies: asked by requests and by `explain`."""

from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

from routeguard import explain, use
from tests.support.seen import Client, send

SECRET = "secret"


async def deny(request: web.Request, handler: Handler) -> web.StreamResponse:
    raise web.HTTPForbidden(text="denied")


async def show(request: web.Request) -> web.Response:
    return web.Response(text="shown")


async def asked(client: Client, path: str, method: str = "GET") -> tuple[int, str]:
    async with send(client, method, path) as response:
        return response.status, await response.text()


def denied(app: web.Application, path: str, method: str = "GET") -> bool:
    return use(deny) in explain(app, method, path)["use"].policies


async def expect(
    aiohttp_client: AiohttpClient, app: web.Application, expected: dict[str, bool]
) -> None:
    """Which paths are denied, by requests (twice, for what is kept) and by `explain`."""
    explained = {path: denied(app, path) for path in expected}
    client = await aiohttp_client(app)
    for _ in range(2):
        met = {path: (await asked(client, path))[0] == 403 for path in expected}
        assert met == expected
    assert explained == expected


def filled(folder: Path) -> Path:
    for name in ("private", "public"):
        (folder / name).mkdir()
        (folder / name / "secret.txt").write_text(SECRET if name == "private" else "open")
    return folder
