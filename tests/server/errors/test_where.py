"""Error handlers by URL and by route, and `get_error_response` for code that catches by itself."""

import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import (
    ConfigError,
    default_error_handler,
    error_context,
    errors,
    exempt,
    get_error_response,
    rule,
)
from tests.support.requests import a_request


async def api_error(request: web.Request) -> web.Response:
    with error_context(request) as context:
        return web.Response(text=f"api {context.message}", status=context.status)


async def page_error(request: web.Request, error: Exception) -> web.Response:
    return web.Response(text=f"page {type(error).__name__}", status=500)


async def broken(request: web.Request) -> web.Response:
    raise KeyError("lost")


async def test_rules_say_who_answers(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/api/{tail:.*}", broken)
    app.router.add_get("/pages/{tail:.*}", broken)
    app.router.add_get("/bare", exempt(errors)(broken))
    app.router.add_get("/own", errors(on={KeyError: 410})(broken))
    app.router.add_get("/other", broken)
    routeguard.setup(
        app,
        rule("/api/*", errors(api_error)),
        rule(re.compile("/pages/"), errors(page_error)),
        errors(ignore=KeyError),
    )
    client = await aiohttp_client(app)
    answers = {}
    for path in ("/api/7", "/api/no/such", "/pages/7", "/bare", "/own", "/other"):
        async with client.get(path) as answer:
            answers[path] = (answer.status, (await answer.text()).partition("\n")[0])
    assert answers == {
        "/api/7": (500, "api 'lost'"),
        "/api/no/such": (500, "api 'lost'"),
        "/pages/7": (500, "page KeyError"),
        "/bare": (500, "500 Internal Server Error"),
        "/own": (410, '{"detail": "\'lost\'"}'),
        "/other": (500, "500 Internal Server Error"),
    }


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/api/nowhere", (404, "api Not Found")),
        ("DELETE", "/api/orders", (405, "api Method Not Allowed")),
        ("GET", "/nowhere", (404, '{"detail": "Not Found"}')),
    ],
)
async def test_requests_that_match_no_route_are_answered_by_their_path(
    aiohttp_client: AiohttpClient, method: str, path: str, answer: tuple[int, str]
) -> None:
    app = web.Application()
    app.router.add_get("/api/orders", broken)
    routeguard.setup(app, rule("/api/*", errors(api_error)), errors())
    client = await aiohttp_client(app)
    async with client.request(method, path) as reply:
        assert (reply.status, await reply.text()) == answer
        assert reply.headers.get("Allow") == ("GET,HEAD" if reply.status == 405 else None)


class Report(web.View):
    async def get(self) -> web.Response:
        raise KeyError("lost")

    @errors(page_error)
    async def post(self) -> web.Response:
        raise KeyError("lost")


async def test_views_and_callable_objects(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_view("/report", errors(api_error)(Report))
    routeguard.setup(app)
    client = await aiohttp_client(app)
    for method, text in (("GET", "api 'lost'"), ("POST", "page KeyError")):
        async with client.request(method, "/report") as reply:
            assert (reply.status, await reply.text()) == (500, text)
    async with client.delete("/report") as reply:
        assert (reply.status, await reply.text()) == (405, "api Method Not Allowed")
        assert reply.headers["Allow"] == "GET,POST"


async def test_a_file_missing_from_a_static_route_is_left_to_aiohttp(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    app = web.Application()
    app.router.add_static("/files", tmp_path)
    routeguard.setup(app, errors(api_error))
    client = await aiohttp_client(app)
    async with client.get("/files/missing.txt") as reply:
        assert reply.status == 404
        assert "api" not in await reply.text()


async def test_errors_of_the_applications_middlewares_are_answered(
    aiohttp_client: AiohttpClient,
) -> None:
    @web.middleware
    async def denying(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Basic"})

    app = web.Application(middlewares=[denying])
    app.router.add_get("/", broken)
    routeguard.setup(app, errors(api_error))
    client = await aiohttp_client(app)
    async with client.get("/") as reply:
        assert (reply.status, await reply.text()) == (401, "api Unauthorized")
        assert reply.headers["WWW-Authenticate"] == "Basic"


# --- get_error_response ---------------------------------------------------------------------------


def catching(**keywords: object) -> web.Application:
    """An application whose middleware catches by itself, as the migration guides show it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:
            return await get_error_response(request, error, **keywords)  # type: ignore[arg-type]

    async def raising(request: web.Request) -> web.Response:
        kind = request.query["kind"]
        if kind == "http":
            raise web.HTTPForbidden(headers=CIMultiDict({"X-Why": "roles"}))
        raise KeyError(kind)

    app = web.Application(middlewares=[middleware])
    app.router.add_get("/{tail:.*}", raising)
    return app


async def test_the_first_handler_whose_path_matches_answers(aiohttp_client: AiohttpClient) -> None:
    config = {"/api": api_error, re.compile("/pages/.*"): page_error, "/pages/x": api_error}
    client = await aiohttp_client(catching(config=config))
    answers = {}
    for path in ("/api", "/api/7", "/pages/x", "/other"):
        async with client.get(path, params={"kind": "a"}) as reply:
            answers[path] = await reply.text()
    assert answers == {
        "/api": "api 'a'",
        "/api/7": '{"detail": "\'a\'"}',
        "/pages/x": "page KeyError",
        "/other": '{"detail": "\'a\'"}',
    }


async def test_the_default_handler_and_what_was_carried(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(catching(default_handler=api_error))
    async with client.get("/", params={"kind": "http"}) as reply:
        assert (reply.status, await reply.text()) == (403, "api Forbidden")
        assert reply.headers["X-Why"] == "roles"


@pytest.mark.parametrize("ignored", [KeyError, (OSError, LookupError)])
async def test_ignored_exceptions_are_raised_again(
    aiohttp_client: AiohttpClient, ignored: object
) -> None:
    client = await aiohttp_client(catching(ignore_exceptions=ignored))
    async with client.get("/", params={"kind": "a"}) as reply:
        assert reply.status == 500
        assert (await reply.text()).startswith("500 Internal Server Error")
    async with client.get("/", params={"kind": "http"}) as reply:
        assert await reply.json() == {"detail": "Forbidden"}


async def test_inside_a_guarded_application_it_answers_first(
    aiohttp_client: AiohttpClient,
) -> None:
    app = catching(default_handler=api_error)
    routeguard.setup(app, errors(page_error))
    client = await aiohttp_client(app)
    async with client.get("/", params={"kind": "a"}) as reply:
        assert await reply.text() == "api 'a'"


async def test_what_is_no_handler_is_a_config_error() -> None:
    def sync(request: web.Request) -> web.Response:
        return web.Response()

    for keywords in (
        {"default_handler": sync},
        {"config": {"/reports/7": sync}},
        {"ignore_exceptions": 7},
    ):
        with pytest.raises(ConfigError):
            await get_error_response(a_request(), KeyError(), **keywords)
    answer = await get_error_response(
        a_request(), KeyError("x"), default_handler=default_error_handler
    )
    assert answer.status == 500
