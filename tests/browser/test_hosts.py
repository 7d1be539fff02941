"""Hosts that registries refuse, as a real browser writes them in `Origin` and `Host`."""

import pytest
from aiohttp import web

from routeguard import cors, csrf, setup
from tests.browser.conftest import Open, Serve, blank, fetch
from tests.support.requests import a_request

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Names below localhost are the browser's own machine.
HOSTS = [
    "localhost",
    "localhost.",
    "shop-.localhost",
    "-shop.localhost",
    "-.localhost",
    "a.-.localhost.",
]


async def changed(request: web.Request) -> web.Response:
    return web.Response(text="changed")


@pytest.mark.parametrize("host", HOSTS)
async def test_a_page_posts_to_its_own_host(serve: Serve, visit: Open, host: str) -> None:
    app = web.Application()
    app.router.add_get("/", blank)
    app.router.add_post("/change", changed)
    setup(app, csrf())
    site = await serve(app)
    page = (await visit()).page
    await page.goto(f"http://{host}:{site.port}/")
    assert (await fetch(page, "/change", method="POST"))["body"] == "changed"
    sent = next(headers for method, _, headers in site.answered if method == "POST")
    assert sent["Host"] == f"{host}:{site.port}" and sent["Origin"] == f"http://{host}:{site.port}"
    # As over plain HTTP to any other host: without Sec-Fetch-Site.
    told = [("Host", sent["Host"]), ("Origin", sent["Origin"])]
    assert csrf().refusal(a_request(method="POST", headers=told)) is None


@pytest.mark.parametrize("host", HOSTS)
async def test_cors_lists_the_origin_as_the_browser_writes_it(
    serve: Serve, visit: Open, host: str
) -> None:
    app = web.Application()
    app.router.add_get("/", blank)
    site = await serve(app)
    page = (await visit()).page
    await page.goto(f"http://{host}:{site.port}/")
    origin = f"http://{host}:{site.port}"
    assert await page.evaluate("origin") == origin
    api = web.Application()
    api.router.add_put("/", changed)
    setup(api, cors(origin))
    answer = await fetch(page, (await serve(api)).origin, method="PUT")
    assert answer["body"] == "changed"


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("http://127.0.0.1./", "http://127.0.0.1"),
        ("https://app.example:443/", "https://app.example"),
        ("http://app.example:80/", "http://app.example"),
        ("https://App-.Example./", "https://app-.example."),
    ],
)
async def test_what_the_browser_makes_of_an_address(visit: Open, written: str, origin: str) -> None:
    page = await visit()
    assert await page.page.evaluate("url => new URL(url).origin", written) == origin
    assert cors(origin).origins == (origin,)
