"""What an exception carried reaches the client; beside it, the middlewares that lose it."""

import re
import warnings
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp_middlewares.cors import cors_middleware
from aiohttp_middlewares.error import error_middleware
from aiohttp_middlewares.https import https_middleware
from aiohttp_middlewares.shield import shield_middleware
from aiohttp_middlewares.timeout import timeout_middleware
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import cors, error_context, errors, https, problem_details, shield, timeout
from tests.support.rawhttp import Reply, get, read_reply, talk

NOBODY = "nobody@nowhere"


def unauthorized() -> web.HTTPException:
    error = web.HTTPUnauthorized(
        headers={"WWW-Authenticate": 'Bearer realm="api"', "X-Request-Id": "7"}
    )
    error.set_cookie("seen", "1", path="/", httponly=True)
    return error


def limited() -> web.HTTPException:
    return web.HTTPTooManyRequests(headers={"Retry-After": "30", "RateLimit": '"a";r=0'})


RAISED: dict[str, Callable[[], web.HTTPException]] = {
    "/unauthorized": unauthorized,
    "/limited": limited,
    "/unavailable": lambda: web.HTTPServiceUnavailable(headers={"Retry-After": "120"}),
    "/redirect": lambda: web.HTTPFound("/login", headers={"X-Why": "session"}),
    "/unchanged": lambda: web.HTTPNotModified(headers={"ETag": '"v1"'}),
}


def with_routes(app: web.Application) -> web.Application:
    def raising(make: Callable[[], web.HTTPException]) -> Callable[..., object]:
        async def handler(request: web.Request) -> web.StreamResponse:
            raise make()

        return handler

    for path, make in RAISED.items():
        app.router.add_get(path, raising(make))  # type: ignore[arg-type]

    async def only_post(request: web.Request) -> web.Response:
        return web.Response()

    app.router.add_post("/only-post", only_post)
    return app


def ours() -> web.Application:
    app = with_routes(web.Application())
    routeguard.setup(app, cors("*"), errors(), timeout(30), shield(methods="POST"), https())
    return app


def five_middlewares() -> web.Application:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        middlewares = [
            cors_middleware(allow_all=True),
            error_middleware(),
            timeout_middleware(30),
            shield_middleware(methods=["POST"]),
            https_middleware(),
        ]
    return with_routes(web.Application(middlewares=middlewares))


async def reply_to(server: TestServer, path: str) -> Reply:
    return read_reply(await talk(get(path), port=server.port))


CARRIED = [
    ("/only-post", 405, "Allow", "POST"),
    ("/unauthorized", 401, "WWW-Authenticate", 'Bearer realm="api"'),
    ("/unauthorized", 401, "X-Request-Id", "7"),
    ("/unauthorized", 401, "Set-Cookie", "seen=1; HttpOnly; Path=/"),
    ("/limited", 429, "Retry-After", "30"),
    ("/limited", 429, "RateLimit", '"a";r=0'),
    ("/unavailable", 503, "Retry-After", "120"),
    ("/redirect", 302, "Location", "/login"),
    ("/redirect", 302, "X-Why", "session"),
    ("/unchanged", 304, "ETag", '"v1"'),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("path", "status", "name", "value"), CARRIED)
async def test_it_reaches_the_client_and_the_five_middlewares_lose_it(
    aiohttp_server: AiohttpServer, path: str, status: int, name: str, value: str
) -> None:
    mine = await reply_to(await aiohttp_server(ours()), path)
    theirs = await reply_to(await aiohttp_server(five_middlewares()), path)
    assert (mine.status, theirs.status) == (status, status)
    assert mine.headers.get_all(name) == [value]
    assert theirs.headers.get_all(name) is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", ["/only-post", "/unauthorized", "/limited", "/unavailable"])
async def test_the_body_is_what_the_five_middlewares_answer(
    aiohttp_server: AiohttpServer, path: str
) -> None:
    mine = await reply_to(await aiohttp_server(ours()), path)
    theirs = await reply_to(await aiohttp_server(five_middlewares()), path)
    assert mine.body == theirs.body
    assert mine.headers["Content-Type"] == theirs.headers["Content-Type"]


# --- what is carried, and what the handler sets ---------------------------------------------------

Handler = Callable[..., object]


async def answer_to(
    aiohttp_server: AiohttpServer, error: web.HTTPException, handler: Handler
) -> Reply:
    async def view(request: web.Request) -> web.Response:
        raise error

    app = web.Application()
    app.router.add_get("/", view)
    routeguard.setup(app, errors(handler))  # type: ignore[arg-type]
    return await reply_to(await aiohttp_server(app), "/")


async def plain(request: web.Request) -> web.Response:
    with error_context(request) as context:
        return web.Response(text="plain", status=context.status)


async def test_the_handlers_own_headers_win(aiohttp_server: AiohttpServer) -> None:
    async def own(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"retry-after": "5", "X-Own": "yes"})

    error = web.HTTPServiceUnavailable(headers={"Retry-After": "120", "X-Theirs": "yes"})
    reply = await answer_to(aiohttp_server, error, own)
    assert reply.headers.get_all("Retry-After") == ["5"]
    assert (reply.headers["X-Own"], reply.headers["X-Theirs"]) == ("yes", "yes")


async def test_several_lines_of_one_name_are_all_carried(aiohttp_server: AiohttpServer) -> None:
    error = web.HTTPUnauthorized()
    error.headers.add("WWW-Authenticate", "Basic")
    error.headers.add("WWW-Authenticate", "Bearer")
    error.headers.add("Set-Cookie", "a=1")
    error.headers.add("Set-Cookie", "b=2")
    reply = await answer_to(aiohttp_server, error, plain)
    assert reply.headers.get_all("WWW-Authenticate") == ["Basic", "Bearer"]
    assert reply.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("as_header", [True, False], ids=["as header", "as cookie"])
async def test_cookies_of_the_handler_win_by_name(
    aiohttp_server: AiohttpServer, as_header: bool
) -> None:
    async def own(request: web.Request) -> web.Response:
        response = web.Response(status=401)
        if as_header:
            response.headers.add("Set-Cookie", "session=handler")
        else:
            response.set_cookie("session", "handler", path=None)  # type: ignore[arg-type]
        return response

    error = web.HTTPUnauthorized()
    error.set_cookie("session", "error")
    error.headers.add("Set-Cookie", "session=header")
    error.set_cookie("other", "1")
    error.headers.add("Set-Cookie", "third=1")
    reply = await answer_to(aiohttp_server, error, own)
    cookies = {line.partition(";")[0] for line in reply.headers.get_all("Set-Cookie", [])}
    assert cookies == {"session=handler", "other=1", "third=1"}
    assert len(reply.headers.get_all("Set-Cookie", [])) == 3


async def test_deleted_cookies_are_deleted(aiohttp_server: AiohttpServer) -> None:
    error = web.HTTPForbidden()
    error.del_cookie("session", domain="a.example", secure=True)
    reply = await answer_to(aiohttp_server, error, plain)
    cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith("session=") and "Max-Age=0" in cookie and "a.example" in cookie


async def test_what_belongs_to_body_and_connection_is_not_carried(
    aiohttp_server: AiohttpServer,
) -> None:
    error = web.HTTPConflict(
        text="a longer text than the answer's",
        headers={
            "Content-Language": "de",
            "Content-Encoding": "gzip",
            "Content-Disposition": "attachment",
            "content-range": "bytes */7",
            "Connection": "close, X-Hop",
            "X-Hop": "1",
            "Keep-Alive": "timeout=5",
            "Proxy-Connection": "keep-alive",
            "TE": "trailers",
            "Trailer": "X-Sum",
            "Upgrade": "h2c",
            "Date": "Thu, 01 Jan 1970 00:00:00 GMT",
            "Server": NOBODY,
            "X-Kept": "1",
        },
    )
    reply = await answer_to(aiohttp_server, error, plain)
    assert (reply.body, reply.complete) == (b"plain", True)
    names = {name.lower() for name in reply.headers}
    assert names == {"content-type", "content-length", "x-kept", "date", "server", "connection"}
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["Server"] != NOBODY and "1970" not in reply.headers["Date"]
    assert reply.headers["Connection"] == "close"


async def test_no_store_of_a_problem_wins_over_the_errors_own(
    aiohttp_server: AiohttpServer,
) -> None:
    error = web.HTTPServiceUnavailable(headers={"Cache-Control": "max-age=60"})
    reply = await answer_to(aiohttp_server, error, problem_details)
    assert reply.headers.get_all("Cache-Control") == ["no-store"]


async def test_what_the_handler_raises_instead_carries_it_too(
    aiohttp_server: AiohttpServer,
) -> None:
    async def hiding(request: web.Request) -> web.Response:
        raise web.HTTPNotFound(text="nothing here")

    reply = await answer_to(aiohttp_server, unauthorized(), hiding)
    assert (reply.status, reply.body) == (404, b"nothing here")
    assert reply.headers["X-Request-Id"] == "7"
    assert reply.headers["Set-Cookie"].startswith("seen=1")


async def test_what_is_raised_again_is_answered_as_it_is(aiohttp_server: AiohttpServer) -> None:
    async def again(request: web.Request, error: Exception) -> web.Response:
        raise error

    reply = await answer_to(aiohttp_server, unauthorized(), again)
    assert (reply.status, reply.body) == (401, b"401: Unauthorized")
    assert reply.headers.get_all("X-Request-Id") == ["7"]
    assert len(reply.headers.get_all("Set-Cookie", [])) == 1


async def test_headers_of_other_exceptions_are_nobodys_business(
    aiohttp_server: AiohttpServer,
) -> None:
    error = KeyError("x")
    error.headers = {"X-Secret": "1", "Set-Cookie": "a=1"}  # type: ignore[attr-defined]
    error.cookies = {"a": "1"}  # type: ignore[attr-defined]
    reply = await answer_to(aiohttp_server, error, plain)  # type: ignore[arg-type]
    assert reply.status == 500
    assert not re.search("secret|cookie", str(reply.headers), re.IGNORECASE)


async def test_one_exception_raised_for_many_requests_stays_as_it_was(
    aiohttp_server: AiohttpServer,
) -> None:
    error = unauthorized()
    before = list(error.headers.items())
    for _ in range(3):
        reply = await answer_to(aiohttp_server, error, plain)
        assert len(reply.headers.get_all("Set-Cookie", [])) == 1
    assert list(error.headers.items()) == before
