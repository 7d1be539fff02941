"""What a static route lists is one place however it is spelt."""

from pathlib import Path

from aiohttp import web
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import rule, use
from tests.server.routing.denials import deny, expect, filled


async def test_a_listed_directory_is_one_place_with_and_without_its_slash(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    app = web.Application()
    app.router.add_static("/files", filled(tmp_path), show_index=True)
    routeguard.setup(app, rule("/files/private/*", use(deny)))
    await expect(
        aiohttp_client,
        app,
        {
            "/files/private/": True,
            "/files/private": True,
            "/files/private/.": True,
            "/files/public": False,
            "/files/": False,
        },
    )
