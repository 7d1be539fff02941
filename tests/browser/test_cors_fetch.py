"""Cross-origin fetches by a real browser: what is read, what is refused, what is sent at all."""

import asyncio

import pytest
from aiohttp import web

from routeguard import cors, errors, problem_details, rule, setup, timeout
from tests.browser.conftest import REFUSED, Open, Serve

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.method} hello")


async def test_a_simple_request_is_read_by_the_allowed_origin_only(
    serve: Serve, visit: Open
) -> None:
    app = web.Application()
    app.router.add_route("*", "/", hello)
    allowed, other = await visit(), await visit()
    setup(app, cors(allowed.origin))
    api = await serve(app)

    for init in ({}, {"method": "POST", "body": "x"}):
        seen = await allowed.fetch(f"{api.origin}/", **init)
        assert (seen["status"], seen["type"]) == (200, "cors")
        assert seen["body"].endswith("hello")
        assert await other.fetch(f"{api.origin}/", **init) == REFUSED
    # No preflight was needed, so the refused requests have arrived: CORS keeps pages from
    # reading, not from sending.
    assert api.methods("/") == ["GET", "GET", "POST", "POST"]

    opaque = await other.fetch(f"{api.origin}/", mode="no-cors")
    assert (opaque["type"], opaque["status"], opaque["body"]) == ("opaque", 0, "")


@pytest.mark.parametrize("origins", ["http://localhost:*", "*"])
async def test_patterns_admit_the_origins_that_pages_really_have(
    serve: Serve, visit: Open, origins: str
) -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    setup(app, cors(origins))
    api = await serve(app)
    assert (await (await visit()).fetch(f"{api.origin}/"))["body"] == "GET hello"
    answer = await (await visit(elsewhere=True)).fetch(f"{api.origin}/")
    assert (answer == REFUSED) == (origins != "*")


async def test_methods_and_headers_are_asked_for_before_they_are_sent(
    serve: Serve, visit: Open
) -> None:
    allowed, other = await visit(), await visit()
    app = web.Application()
    app.router.add_put("/", hello)
    app.router.add_delete("/", hello)
    app.router.add_patch("/", hello)
    setup(app, cors(allowed.origin, allow_methods=["PUT", "DELETE"], allow_headers=["X-Key"]))
    api = await serve(app)
    url = f"{api.origin}/"

    seen = await allowed.fetch(url, method="PUT", headers={"X-Key": "1"}, body="x")
    assert seen["body"] == "PUT hello"
    assert api.methods("/") == ["OPTIONS", "PUT"]
    _, _, preflight = api.answered[0]
    assert preflight["Access-Control-Request-Method"] == "PUT"
    assert preflight["Access-Control-Request-Headers"] == "x-key"

    seen = await allowed.fetch(url, method="DELETE")
    assert seen["body"] == "DELETE hello"

    api.answered.clear()
    for init in (
        {"method": "PATCH"},
        {"method": "delete-everything"},
        {"method": "PUT", "headers": {"X-Key": "1", "X-Other": "2"}},
        {"method": "PUT", "headers": {"Authorization": "Bearer x"}},
        {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"},
    ):
        assert await allowed.fetch(url, **init) == REFUSED
    assert await other.fetch(url, method="PUT", headers={"X-Key": "1"}) == REFUSED
    # None of the requests themselves were sent.
    assert api.methods("/") == ["OPTIONS"] * 6


@pytest.mark.parametrize(
    ("allow_headers", "passes"), [("*", False), (["*", "authorization"], True), (None, True)]
)
async def test_a_star_for_headers_does_not_cover_authorization(
    serve: Serve, visit: Open, allow_headers: str | None, passes: bool
) -> None:
    page = await visit()
    app = web.Application()
    app.router.add_get("/", hello)
    policy = cors(page.origin) if allow_headers is None else cors("*", allow_headers=allow_headers)
    setup(app, policy)
    api = await serve(app)
    asked = {"Authorization": "Bearer x"} | ({} if allow_headers is None else {"X-Any": "1"})
    seen = await page.fetch(f"{api.origin}/", headers=asked)
    assert (seen != REFUSED) == passes
    if allow_headers is not None:
        assert (await page.fetch(f"{api.origin}/", headers={"X-Any": "1"}))["status"] == 200


async def test_a_star_as_a_method_opens_no_other_method(serve: Serve, visit: Open) -> None:
    """`fetch` takes `*` for a method; an answer that repeats it would stand for every method."""
    allowed, other = await visit(), await visit()
    app = web.Application()
    app.router.add_put("/", cors(other.origin)(hello))
    app.router.add_route("*", "/", cors(allowed.origin, max_age=600)(hello))
    setup(app)
    api = await serve(app)
    assert await allowed.fetch(f"{api.origin}/", method="PUT") == REFUSED
    assert await allowed.fetch(f"{api.origin}/", method="*") == REFUSED
    assert await allowed.fetch(f"{api.origin}/", method="PUT") == REFUSED
    assert "PUT" not in api.methods("/")


async def test_methods_of_one_path_with_policies_of_their_own(serve: Serve, visit: Open) -> None:
    first, second = await visit(), await visit()
    app = web.Application()
    app.router.add_put("/", cors(first.origin)(hello))
    app.router.add_delete("/", cors(second.origin)(hello))
    setup(app)
    api = await serve(app)
    url = f"{api.origin}/"
    assert (await first.fetch(url, method="PUT"))["body"] == "PUT hello"
    assert await first.fetch(url, method="DELETE") == REFUSED
    assert (await second.fetch(url, method="DELETE"))["body"] == "DELETE hello"
    assert await second.fetch(url, method="PUT") == REFUSED
    assert sorted(api.methods("/")) == ["DELETE", *["OPTIONS"] * 4, "PUT"]


# --- errors are read ------------------------------------------------------------------------------


async def broken(request: web.Request) -> web.Response:
    raise ValueError("broken")


async def teapot(request: web.Request) -> web.Response:
    raise web.HTTPConflict(text="taken")


async def test_a_page_reads_errors(serve: Serve, visit: Open) -> None:
    allowed, other = await visit(), await visit()
    app = web.Application()
    app.router.add_get("/own", broken)
    app.router.add_get("/problem", broken)
    app.router.add_get("/conflict", teapot)
    setup(app, rule("/problem", errors(problem_details)), cors(allowed.origin))
    api = await serve(app)

    seen = await allowed.fetch(f"{api.origin}/own")
    assert seen["status"] == 500
    assert "Server got itself in trouble" in seen["body"]
    seen = await allowed.fetch(f"{api.origin}/problem")
    assert (seen["status"], seen["headers"]["content-type"]) == (500, "application/problem+json")
    assert '"status": 500' in seen["body"]
    seen = await allowed.fetch(f"{api.origin}/conflict")
    assert (seen["status"], seen["body"]) == (409, "taken")
    seen = await allowed.fetch(f"{api.origin}/nowhere")
    assert (seen["status"], seen["body"]) == (404, "404: Not Found")
    seen = await allowed.fetch(f"{api.origin}/own", method="POST", body="x")
    assert seen["status"] == 405
    # A path that routes nothing has no methods to refuse, so its 404 is read after a preflight.
    seen = await allowed.fetch(f"{api.origin}/nowhere", method="PUT", headers={"DNT": "1"})
    assert seen["status"] == 404
    for path in ("own", "problem", "conflict", "nowhere"):
        assert await other.fetch(f"{api.origin}/{path}") == REFUSED


async def test_a_page_reads_a_timeout(serve: Serve, visit: Open) -> None:
    async def waits(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    page = await visit()
    app = web.Application()
    app.router.add_get("/", waits)
    setup(app, cors(page.origin), timeout(0.05))
    api = await serve(app)
    assert (await page.fetch(f"{api.origin}/"))["status"] == 504
