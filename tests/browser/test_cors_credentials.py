"""Cookies across origins: with and without `allow_credentials`, within one site and across sites.

The ports of `localhost` are one site, and share their cookies; `127.0.0.1` is another site.
"""

import pytest
from aiohttp import web

from routeguard import cors, setup
from tests.browser.conftest import REFUSED, Open, Opened, Serve, Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def log_in(request: web.Request) -> web.Response:
    response = web.Response(text="logged in")
    response.set_cookie("strict", "1", samesite="Strict", httponly=True)
    response.set_cookie("lax", "1", samesite="Lax", httponly=True)
    return response


async def who(request: web.Request) -> web.Response:
    return web.json_response(sorted(request.cookies))


async def api_for(serve: Serve, policy: cors) -> Site:
    app = web.Application()
    app.router.add_post("/log-in", log_in)
    app.router.add_get("/who", who)
    app.router.add_put("/who", who)
    setup(app, policy)
    return await serve(app)


BOTH = '["lax", "strict"]'


async def logged_in(visit: Open, api: Site) -> None:
    """Puts the cookies into the profile, from the site's own point of view."""
    page = await visit()
    await page.page.goto(f"{api.origin}/who")
    seen = await page.fetch(f"{api.origin}/log-in", method="POST")
    assert seen["type"] == "basic"


async def test_with_allow_credentials_cookies_are_sent_and_the_answer_is_read(
    serve: Serve, visit: Open
) -> None:
    allowed, other = await visit(), await visit()
    api = await api_for(serve, cors(allowed.origin, allow_credentials=True, allow_headers="*"))
    await logged_in(visit, api)
    api.answered.clear()

    seen = await allowed.fetch(f"{api.origin}/who", credentials="include")
    assert seen["body"] == BOTH
    seen = await allowed.fetch(f"{api.origin}/who", credentials="omit")
    assert seen["body"] == "[]"
    api.answered.clear()
    seen = await allowed.fetch(
        f"{api.origin}/who",
        method="PUT",
        credentials="include",
        headers={"X-Any": "1", "Authorization": "Bearer x"},
    )
    assert seen["body"] == BOTH
    (_, _, preflight), (_, _, request) = api.answered
    assert "Cookie" not in preflight
    assert "Cookie" in request
    assert await other.fetch(f"{api.origin}/who", credentials="include") == REFUSED


async def test_without_allow_credentials_nothing_is_read_that_was_sent_with_cookies(
    serve: Serve, visit: Open
) -> None:
    page = await visit()
    api = await api_for(serve, cors(page.origin))
    await logged_in(visit, api)
    assert await page.fetch(f"{api.origin}/who", credentials="include") == REFUSED
    assert (await page.fetch(f"{api.origin}/who"))["body"] == "[]"
    api.answered.clear()
    assert await page.fetch(f"{api.origin}/who", method="PUT", credentials="include") == REFUSED
    assert api.methods("/who") == ["OPTIONS"]
    assert (await page.fetch(f"{api.origin}/who", method="PUT"))["body"] == "[]"


async def test_everyone_reads_nothing_that_was_sent_with_cookies(serve: Serve, visit: Open) -> None:
    page = await visit()
    api = await api_for(serve, cors("*"))
    await logged_in(visit, api)
    assert await page.fetch(f"{api.origin}/who", credentials="include") == REFUSED
    assert (await page.fetch(f"{api.origin}/who"))["body"] == "[]"


async def test_cookies_of_a_cross_origin_answer_are_kept_only_with_credentials(
    serve: Serve, visit: Open
) -> None:
    page = await visit()
    api = await api_for(serve, cors(page.origin, allow_credentials=True))
    url = f"{api.origin}/log-in"

    async def names(one: Opened) -> set[str]:
        return {cookie["name"] for cookie in await one.page.context.cookies(api.origin)}

    assert (await page.fetch(url, method="POST"))["status"] == 200
    assert await names(page) == set()
    assert (await page.fetch(url, method="POST", credentials="include"))["status"] == 200
    assert await names(page) == {"strict", "lax"}


async def test_same_site_cookies_are_not_sent_from_another_site(serve: Serve, visit: Open) -> None:
    same_site, cross_site = await visit(), await visit(elsewhere=True)
    api = await api_for(serve, cors([same_site.origin, cross_site.origin], allow_credentials=True))
    await logged_in(visit, api)
    url = f"{api.origin}/who"
    assert (await same_site.fetch(url, credentials="include"))["body"] == BOTH
    # CORS lets it read the answer; it is the cookies' own attribute that keeps them back.
    assert (await cross_site.fetch(url, credentials="include"))["body"] == "[]"


async def test_a_redirect_to_a_third_origin_is_not_read_with_cookies(
    serve: Serve, visit: Open
) -> None:
    """Its origin is `null`, which is never admitted with credentials."""
    page = await visit()
    far = await api_for(serve, cors(lambda origin: True, allow_credentials=True))

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{far.origin}/who")

    app = web.Application()
    app.router.add_get("/go", redirect)
    setup(app, cors(page.origin, allow_credentials=True))
    near = await serve(app)
    assert await page.fetch(f"{near.origin}/go", credentials="include") == REFUSED
    assert far.answered[-1][2]["Origin"] == "null"
    assert (await page.fetch(f"{far.origin}/who", credentials="include"))["status"] == 200
