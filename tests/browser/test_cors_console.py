"""What a real browser's console says of a preflight that fails, in debug mode and without."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from routeguard import cors, rule, setup
from tests.browser.conftest import REFUSED, Open, Opened, Serve

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def debug_mode() -> Iterator[None]:
    loop = asyncio.get_event_loop()
    loop.set_debug(True)
    yield
    loop.set_debug(False)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.method} hello")


async def api_of(serve: Serve, page: Opened) -> str:
    app = web.Application()
    for name in ("plain", "wild", "credentials"):
        app.router.add_get(f"/{name}", hello)
        app.router.add_put(f"/{name}", hello)
    setup(
        app,
        rule("/plain", cors(page.origin, allow_headers=["x-key"])),
        rule("/wild", cors("*", allow_headers=["*"])),
        rule("/credentials", cors(page.origin, allow_credentials=True, allow_headers=["x-key"])),
    )
    return (await serve(app)).origin


async def console_of(page: Opened, url: str, **init: Any) -> tuple[dict[str, Any], str]:
    """What a fetch comes to, and what the console says of it."""
    async with page.page.expect_console_message(lambda one: "CORS" in one.text) as told:
        seen = await page.fetch(url, **init)
    return seen, (await told.value).text


REFUSALS = [
    ("plain", {"method": "DELETE"}, "Method DELETE"),
    ("plain", {"method": "PUT", "headers": {"X-Other": "1"}}, "x-other"),
    ("wild", {"method": "PATCH", "headers": {"X-Other": "1"}}, "Method PATCH"),
    ("wild", {"method": "PUT", "headers": {"Authorization": "x", "X-Key": "1"}}, "authorization"),
    ("credentials", {"method": "DELETE", "credentials": "include"}, "Method DELETE"),
    (
        "credentials",
        {"method": "PUT", "credentials": "include", "headers": {"X-Other": "1"}},
        "x-other",
    ),
]


@pytest.mark.usefixtures("debug_mode")
@pytest.mark.parametrize(("path", "init", "culprit"), REFUSALS)
async def test_in_debug_mode_it_names_the_culprit(
    serve: Serve, visit: Open, path: str, init: dict[str, Any], culprit: str
) -> None:
    page = await visit()
    api = await api_of(serve, page)
    seen, said = await console_of(page, f"{api}/{path}", **init)
    assert seen == REFUSED
    assert culprit in said and "not allowed by Access-Control-Allow-" in said


@pytest.mark.parametrize(("path", "init", "culprit"), REFUSALS)
async def test_without_it_the_console_does_not(
    serve: Serve, visit: Open, path: str, init: dict[str, Any], culprit: str
) -> None:
    page = await visit()
    api = await api_of(serve, page)
    seen, said = await console_of(page, f"{api}/{path}", **init)
    assert seen == REFUSED
    assert culprit not in said


@pytest.mark.usefixtures("debug_mode")
async def test_what_debug_mode_names_is_granted_to_nobody(serve: Serve, visit: Open) -> None:
    """A preflight that fails is not kept: the next request asks for itself."""
    page = await visit()
    api = await api_of(serve, page)
    put = {"method": "PUT", "headers": {"X-Key": "1"}}
    assert await page.fetch(f"{api}/plain", method="DELETE") == REFUSED
    assert await page.fetch(f"{api}/plain", method="DELETE") == REFUSED
    assert (await page.fetch(f"{api}/plain", **put))["body"] == "PUT hello"
    assert await page.fetch(f"{api}/plain", method="DELETE") == REFUSED


@pytest.mark.usefixtures("debug_mode")
async def test_a_page_whose_origin_is_refused_learns_nothing(serve: Serve, visit: Open) -> None:
    page, other = await visit(), await visit()
    api = await api_of(serve, page)
    seen, said = await console_of(other, f"{api}/plain", method="DELETE")
    assert seen == REFUSED
    assert "DELETE" not in said
