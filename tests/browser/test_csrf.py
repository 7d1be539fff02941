"""Forms and WebSockets of a real browser, from the site's own pages and from others."""

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page

from routeguard import cors, csrf, errors, problem_details, setup
from tests.browser.conftest import Open, Serve, Site
from tests.support.rawhttp import get, read_reply, talk

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SUBMIT = """
url => {
    const form = document.createElement("form");
    form.method = "POST";
    form.action = url;
    form.innerHTML = '<input name="amount" value="7">';
    document.body.append(form);
    form.submit();
}
"""

OPEN_SOCKET = """
url => new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.onmessage = event => resolve(event.data);
    socket.onerror = () => resolve("refused");
})
"""


class Bank:
    """A site that counts what pages made it do."""

    def __init__(self) -> None:
        self.paid: list[str] = []
        self.chats = 0

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>bank</title>", content_type="text/html")

    async def pay(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.paid.append(str(form["amount"]))
        return web.Response(text="paid")

    async def chat(self, request: web.Request) -> web.WebSocketResponse:
        self.chats += 1
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        await socket.close()
        return socket

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.page)
        app.router.add_post("/pay", self.pay)
        app.router.add_get("/chat", self.chat)
        return app


async def submit(page: Page, url: str) -> int | None:
    """Sends a form as a user does who is lured into it; the status of the page that follows."""
    async with page.expect_navigation() as navigation:
        await page.evaluate(SUBMIT, url)
    response = await navigation.value
    return None if response is None else response.status


def sent(site: Site, path: str) -> dict[str, str]:
    """The headers of the last request for a path."""
    return next(headers for _, answered, headers in reversed(site.answered) if answered == path)


async def test_a_form_of_another_origin_is_refused(serve: Serve, visit: Open) -> None:
    bank = Bank()
    app = bank.application()
    setup(app, csrf(), errors(problem_details))
    site = await serve(app)
    own, neighbour, stranger = await visit(), await visit(), await visit(elsewhere=True)

    for lured, told in ((neighbour, "same-site"), (stranger, "cross-site")):
        assert await submit(lured.page, f"{site.origin}/pay") == 403
        assert sent(site, "/pay")["Sec-Fetch-Site"] == told
        assert bank.paid == []
    # What the user sees is a page, since a navigation prefers one.
    assert "cross-origin request refused" in await stranger.page.inner_text("body")

    await own.page.goto(site.origin)
    assert await submit(own.page, f"{site.origin}/pay") == 200
    assert sent(site, "/pay")["Sec-Fetch-Site"] == "same-origin"
    assert bank.paid == ["7"]


async def test_a_trusted_origin_may_send_its_form(serve: Serve, visit: Open) -> None:
    bank = Bank()
    app = bank.application()
    partner, stranger = await visit(elsewhere=True), await visit(elsewhere=True)
    setup(app, csrf(trusted_origins=partner.origin))
    site = await serve(app)
    assert await submit(partner.page, f"{site.origin}/pay") == 200
    assert await submit(stranger.page, f"{site.origin}/pay") == 403
    assert bank.paid == ["7"]


async def test_a_websocket_of_another_origin_is_refused(serve: Serve, visit: Open) -> None:
    bank = Bank()
    app = bank.application()
    setup(app, csrf())
    site = await serve(app)
    url = f"ws://localhost:{site.port}/chat"
    own, neighbour, stranger = await visit(), await visit(), await visit(elsewhere=True)
    for page in (neighbour.page, stranger.page):
        assert await page.evaluate(OPEN_SOCKET, url) == "refused"
    assert bank.chats == 0
    await own.page.goto(site.origin)
    assert await own.page.evaluate(OPEN_SOCKET, url) == "hello"
    assert bank.chats == 1


async def test_without_the_policy_a_browser_lets_both_through(serve: Serve, visit: Open) -> None:
    """What the policy is for: no CORS rule keeps these from being sent."""
    bank = Bank()
    app = bank.application()
    setup(app, cors("https://page.example"))
    site = await serve(app)
    stranger = await visit(elsewhere=True)
    assert await stranger.page.evaluate(OPEN_SOCKET, f"ws://localhost:{site.port}/chat") == "hello"
    assert await submit(stranger.page, f"{site.origin}/pay") == 200
    assert bank.paid == ["7"]


async def test_a_page_that_cors_allows_reads_the_refusal(serve: Serve, visit: Open) -> None:
    bank = Bank()
    app = bank.application()
    page = await visit(elsewhere=True)
    setup(app, cors(page.origin, allow_credentials=True), csrf(), errors())
    site = await serve(app)
    seen = await page.fetch(f"{site.origin}/pay", method="POST", credentials="include")
    assert seen["status"] == 403
    assert seen["body"] == '{"detail": "Forbidden"}'
    assert bank.paid == []


async def test_plain_http_sites_send_no_fetch_metadata_and_are_told_apart_by_origin(
    serve: Serve, browser: Browser
) -> None:
    """Browsers send `Sec-Fetch-Site` to trustworthy URLs only; names of one's own are reached
    through the server as a proxy."""
    bank = Bank()
    app = bank.application()
    setup(app, csrf())
    site = await serve(app)
    context = await browser.new_context(proxy={"server": site.elsewhere})
    try:
        page = await context.new_page()
        for start, status in (
            ("http://bank.test", 200),
            ("http://evil.test", 403),
            ("http://bank.test:8080", 403),
            ("http://bank.test.evil.test", 403),
        ):
            await page.goto(start)
            assert await submit(page, "http://bank.test/pay") == status
            headers = sent(site, "/pay")
            assert (headers["Host"], headers["Origin"]) == ("bank.test", start)
            assert "Sec-Fetch-Site" not in headers
    finally:
        await context.close()
    assert bank.paid == ["7"]


async def test_a_client_that_is_no_browser_passes(serve: Serve) -> None:
    bank = Bank()
    app = bank.application()
    setup(app, csrf())
    site = await serve(app)
    form = b"amount=7"
    request = get(
        "/pay",
        "User-Agent: curl/8.0",
        "Accept: */*",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(form)}",
        method="POST",
    )
    reply = read_reply(await talk(request + form, port=site.port))
    assert (reply.status, reply.body) == (200, b"paid")
    assert bank.paid == ["7"]
