"""Preflights that were answered before: the same answer, whatever way it takes inside."""

import logging
import re
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from routeguard import cors, explain, headers, https, rule, setup
from tests.support.extent import part

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]
Answer = tuple[int, list[tuple[str, str]], str]

ORIGIN = "https://app.example.com"


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


class Item(web.View):
    async def get(self) -> web.Response:
        return web.Response()

    async def delete(self) -> web.Response:
        return web.Response()


def make_app(folder: Path, *, forgetful: bool = False) -> web.Application:
    """The application; of a `forgetful` one, whose routes go by the host, nothing is kept."""
    app = web.Application()
    if forgetful:
        app.add_domain("elsewhere.example", web.Application())
    app.router.add_get("/plain", hello)
    app.router.add_put("/plain", hello)
    app.router.add_post("/with-options", hello)
    app.router.add_options("/with-options", hello)
    app.router.add_get("/items/{id}", hello)
    app.router.add_delete("/items/{id:[0-9]+}", hello)
    app.router.add_view("/view", Item)
    app.router.add_static("/static", folder)
    app.router.add_get("/none", hello)
    app.router.add_get("/secure", hello)
    app.router.add_get("/guarded/{name}", cors(["https://b.example"], max_age=5)(hello))
    inner = web.Application()
    inner.router.add_patch("/deep", hello)
    app.add_subapp("/inner", inner)
    guarded = web.Application()
    guarded.router.add_patch("/deep", hello)
    setup(guarded, cors(["https://b.example"]))
    app.add_subapp("/guarded-inner", guarded)
    app.router.add_route("*", "/any/{tail:.*}", https(redirect=True)(hello))
    setup(
        app,
        rule("/secure", https(redirect=True)),
        rule("/hsts", https(hsts=60)),
        rule("/credentials/*", cors(re.compile(r"https://.+"), allow_credentials=True)),
        rule("/everyone", cors("*", allow_headers="*")),
        cors([ORIGIN, "https://*.example.net"], allow_headers=["x-one", "x-two"], max_age=60),
    )
    return app


async def ask(client: Client, path: str, headers: dict[str, str], method: str) -> Answer:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method} | headers
    async with client.options(path, headers=asked, allow_redirects=False) as answer:
        fields = [(k, v) for k, v in answer.headers.items() if k not in ("Date", "Server")]
        return answer.status, fields, await answer.text()


PATHS = (
    "/plain",
    "/with-options",
    "/items/7",
    "/items/%2E%2E/plain",
    "/view",
    "/static/a.txt",
    "/nowhere",
    "/none",
    "/secure",
    "/hsts",
    "/guarded/x",
    "/inner/deep",
    "/guarded-inner/deep",
    "/any/thing",
    "/credentials/x",
    "/everyone",
)
ASKED: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "https://b.example"},
    {"Origin": "https://deep.example.net"},
    {"Origin": "null"},
    {"Access-Control-Request-Headers": "x-one"},
    {"Access-Control-Request-Headers": "x-two, x-one"},
    {"Access-Control-Request-Headers": "x-three"},
    {"X-Forwarded-Proto": "https"},
)
METHODS = ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "put", "*", "NONE-SUCH")


@pytest.mark.parametrize("path", PATHS)
async def test_the_same_is_answered_again(
    aiohttp_client: MakeClient, tmp_path: Path, path: str
) -> None:
    fresh = await aiohttp_client(make_app(tmp_path, forgetful=True))
    again = await aiohttp_client(make_app(tmp_path))
    questions = part(product(METHODS, ASKED), 3)
    for _ in range(2):  # every question after every other one
        for method, fields in questions:
            await ask(again, path, fields, method)
    for method, fields in questions:
        first = await ask(fresh, path, fields, method)
        assert await ask(again, path, fields, method) == first, (method, fields)


async def test_each_path_is_answered_by_its_own_rules_again(aiohttp_client: MakeClient) -> None:
    app = web.Application()
    for path in ("/a", "/b", "/c", "/d"):
        app.router.add_get(path, hello)
    setup(
        app,
        rule("/b", headers({"X-Rule": "b"})),
        rule("/c", headers({"X-Rule": "c"})),
        cors([ORIGIN]),
    )
    client = await aiohttp_client(app)
    for _ in range(3):
        told = [dict((await ask(client, path, {}, "GET"))[1]) for path in ("/a", "/b", "/c", "/d")]
        assert [fields.get("X-Rule") for fields in told] == [None, "b", "c", None]


async def test_only_preflights_are_spared_the_405(
    aiohttp_client: MakeClient, tmp_path: Path
) -> None:
    client = await aiohttp_client(make_app(tmp_path))
    for _ in range(3):
        assert (await ask(client, "/plain", {}, "PUT"))[0] == 204
    async with client.options("/plain", headers={"Origin": ORIGIN}) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD,PUT"
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    asked = {"Access-Control-Request-Method": "PUT"}
    async with client.options("/plain", headers=asked) as answer:
        assert answer.status == 405


async def test_a_predicate_is_asked_each_time(aiohttp_client: MakeClient) -> None:
    admitted = {ORIGIN}
    app = web.Application()
    app.router.add_put("/", hello)
    setup(app, cors(lambda origin: origin in admitted))
    client = await aiohttp_client(app)
    assert [(await ask(client, "/", {}, "PUT"))[0] for _ in range(3)] == [204] * 3
    admitted.clear()
    assert (await ask(client, "/", {}, "PUT"))[0] == 403


async def test_each_refusal_is_logged(
    aiohttp_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = await aiohttp_client(make_app(tmp_path))
    with caplog.at_level(logging.INFO, "routeguard.cors"):
        for _ in range(3):
            assert (await ask(client, "/plain", {"Origin": "https://b.example"}, "PUT"))[0] == 403
    assert [one.name for one in caplog.records].count("routeguard.cors") == 3


async def test_an_outer_middleware_sees_what_it_sees_of_a_405(aiohttp_client: MakeClient) -> None:
    seen: list[tuple[int | None, object, list[str]]] = []

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        match_info = request.match_info
        refusal = match_info.http_exception
        allowed = refusal.headers["Allow"].split(",") if refusal is not None else []
        status = None if refusal is None else refusal.status
        seen.append((status, match_info.route.resource, allowed))
        return await handler(request)

    inner = web.Application()
    inner.router.add_put("/deep", hello)
    setup(inner, cors(ORIGIN))
    app = web.Application(middlewares=[note])
    app.add_subapp("/inner", inner)
    client = await aiohttp_client(app)
    for _ in range(3):
        assert (await ask(client, "/inner/deep", {}, "PUT"))[0] == 204
    assert seen == [(405, None, ["PUT"])] * 3


async def test_an_explanation_is_the_same_after_preflights(
    aiohttp_client: MakeClient, tmp_path: Path
) -> None:
    app = make_app(tmp_path)
    asked = {"Access-Control-Request-Method": "PUT"}
    before = str(explain(app, "OPTIONS", "/plain", origin=ORIGIN, headers=asked))
    client = await aiohttp_client(app)
    for _ in range(3):
        await ask(client, "/plain", {}, "PUT")
    assert str(explain(app, "OPTIONS", "/plain", origin=ORIGIN, headers=asked)) == before
    assert len(list(app.router.routes())) == len(list(make_app(tmp_path).router.routes()))


async def test_domains_are_told_apart(aiohttp_client: MakeClient) -> None:
    admin = web.Application()
    admin.router.add_put("/", hello)
    setup(admin, cors("https://b.example"))
    www = web.Application()
    www.router.add_put("/", hello)
    app = web.Application()
    app.add_domain("admin.example.com", admin)
    app.add_domain("www.example.com", www)
    setup(app, cors(ORIGIN))
    client = await aiohttp_client(app)
    for _ in range(3):
        assert (await ask(client, "/", {"Host": "www.example.com"}, "PUT"))[0] == 204
        assert (await ask(client, "/", {"Host": "admin.example.com"}, "PUT"))[0] == 403


async def test_a_route_for_all_methods_keeps_its_preflights(aiohttp_client: MakeClient) -> None:
    app = web.Application()
    setup(app, cors(ORIGIN))
    app.router.add_route("*", "/{page}", https(redirect=True)(hello))
    client = await aiohttp_client(app)
    for _ in range(3):
        assert (await ask(client, "/one", {}, "PUT"))[0] == 403
        assert (await ask(client, "/one", {"X-Forwarded-Proto": "https"}, "PUT"))[0] == 204


async def test_strict_transport_security_is_on_every_answer(
    aiohttp_client: MakeClient, tmp_path: Path
) -> None:
    client = await aiohttp_client(make_app(tmp_path))
    for _ in range(3):
        status, fields, _ = await ask(client, "/hsts", {"X-Forwarded-Proto": "https"}, "PUT")
        assert status == 204
        assert ("Strict-Transport-Security", "max-age=60") in fields


async def test_what_hooks_put_on_an_answer_is_on_no_other(aiohttp_client: MakeClient) -> None:
    """aiohttp 3.11.8 to 3.11.15 writes into the headers that a response was given."""
    users = iter(range(10))

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add("X-User", str(next(users)))

    app = web.Application()
    app.router.add_put("/", hello)
    setup(app, cors(ORIGIN))
    app.on_response_prepare.append(note)
    client = await aiohttp_client(app)
    answers = [await ask(client, "/", {}, "PUT") for _ in range(3)]
    seen = [[value for name, value in fields if name == "X-User"] for _, fields, _ in answers]
    assert seen == [["0"], ["1"], ["2"]]
