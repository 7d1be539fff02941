"""What `check` finds of response headers."""

import pytest
from aiohttp import web

from routeguard import check, headers, https, security_headers, setup


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (headers({"strict-transport-SECURITY": "max-age=60"}), ["RG701"]),
        (headers({"Strict-Transport-Security": None}), []),
        (security_headers(), []),
    ],
)
def test_hsts_belongs_to_https(policy: headers, codes: list[str]) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, policy, https(hsts=60))
    assert [one.code for one in check(app)] == codes
