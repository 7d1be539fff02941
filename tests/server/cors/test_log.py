"""The log `routeguard.cors`: one line for each request that is refused, and nothing else."""

import asyncio
import logging
import re

import pytest
from aiohttp import web
from multidict import CIMultiDict
from pytest_aiohttp import AiohttpClient

from routeguard import cors, errors, https, problem_details, rule, setup
from tests.server.cors.answers import EVIL, A, asking, ok


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="routeguard.cors")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of refusals, which is told at INFO."""
    records = [record for record in caplog.records if record.name == "routeguard.cors"]
    assert all(record.levelno == logging.INFO for record in records)
    said = [record.getMessage() for record in records]
    # One line each, whatever a client writes into it.
    assert all(line.isprintable() for line in said)
    return said


def application(*, decorated: bool = False) -> web.Application:
    app = web.Application()
    app.router.add_get("/orders/{id}", cors(A)(ok) if decorated else ok)
    app.router.add_post("/orders/{id}", ok)
    setup(app, rule("/orders/*", cors(A, allow_headers=["x-key"])))
    return app


@pytest.mark.parametrize(
    ("decorated", "source"), [(True, "decorator"), (False, 'rule 1 "/orders/*"')]
)
async def test_a_refused_request_is_one_line(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture, decorated: bool, source: str
) -> None:
    client = await aiohttp_client(application(decorated=decorated))
    async with client.get("/orders/7", headers={"Origin": EVIL}) as response:
        assert response.status == 200
    (line,) = lines(caplog)
    for part in (EVIL, "GET", "/orders/7", source, "origin is not allowed"):
        assert part in line


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        (asking("GET", origin=EVIL), [EVIL, "GET", "origin is not allowed"]),
        (asking("PATCH"), [A, "PATCH", "method PATCH"]),
        (asking("GET", headers="x-key, x-other"), [A, "GET", "header x-other"]),
        (asking("GET", headers="x y"), [A, "GET", "header 'x y'"]),
        (asking(""), [A, "Access-Control-Request-Method"]),
    ],
)
async def test_a_refused_preflight_is_one_line_with_its_reason(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, str],
    parts: list[str],
) -> None:
    client = await aiohttp_client(application())
    async with client.options("/orders/7", headers=fields) as response:
        assert response.status == 403
    (line,) = lines(caplog)
    for part in (*parts, "/orders/7", 'rule 1 "/orders/*"'):
        assert part in line


async def test_what_is_allowed_or_has_no_origin_is_not_logged(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = await aiohttp_client(application())
    for fields in ({}, {"Origin": A}):
        async with client.get("/orders/7", headers=fields) as response:
            assert response.status == 200
    async with client.options("/orders/7", headers=asking("GET", headers="x-key")) as response:
        assert response.status == 204
    async with client.get("/elsewhere", headers={"Origin": EVIL}) as response:
        assert response.status == 404
    assert lines(caplog) == []


async def test_the_page_of_the_application_itself_is_not_logged(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A page's own POSTs carry `Origin` too, and need no permission."""
    client = await aiohttp_client(application())
    own = f"http://{client.host}:{client.port}"
    async with client.post("/orders/7", headers={"Origin": own}) as response:
        assert response.status == 200
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("origin", "host", "lines_logged"),
    [
        ("http://app.example:80", "app.example", 0),
        ("http://app.example", "app.example:80", 0),
        ("HTTP://App-.Example", "app-.example", 0),
        ("http://app.example.", "app.example.", 0),
        ("http://app.example", "app.example.", 1),
        ("https://app.example", "app.example", 1),
        ("ftp://app.example", "app.example", 1),
        ("http://app.example:8080", "app.example", 1),
    ],
)
async def test_nor_where_a_default_port_is_written_out(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    origin: str,
    host: str,
    lines_logged: int,
) -> None:
    client = await aiohttp_client(application())
    async with client.post("/orders/7", headers={"Host": host, "Origin": origin}) as response:
        assert response.status == 200
    assert len(lines(caplog)) == lines_logged


async def test_the_page_of_the_application_itself_is_not_logged_behind_a_tls_proxy(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    app = web.Application()
    app.router.add_post("/", ok)
    setup(app, cors(A), https())
    client = await aiohttp_client(app)
    own = {"Host": "app.example", "X-Forwarded-Proto": "https", "Origin": "https://app.example"}
    async with client.post("/", headers=own) as response:
        assert response.status == 200
    assert lines(caplog) == []
    # Where the client came over HTTPS, a page over plain HTTP is another origin.
    async with client.post("/", headers={**own, "Origin": "http://app.example"}) as response:
        assert response.status == 200
    assert len(lines(caplog)) == 1


async def breaks(request: web.Request) -> web.StreamResponse:
    raise ValueError


async def breaks_while_answering(request: web.Request) -> web.StreamResponse:
    await web.Response(text="x").prepare(request)
    raise ValueError


async def breaks_in_a_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    raise ValueError


@pytest.mark.parametrize("handler", [breaks, breaks_while_answering, breaks_in_a_stream])
@pytest.mark.parametrize("answered", [False, True])
async def test_a_refused_request_that_fails_is_logged_once(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    handler: web.RequestHandler,
    answered: bool,
) -> None:
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]
    setup(app, cors(A), *([errors(problem_details)] if answered else []))
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Origin": EVIL}) as response:
        assert response.status in {200, 500}
    assert len(lines(caplog)) == 1


async def test_sub_applications_log_a_refusal_once(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    root, inner = web.Application(), web.Application()
    inner.router.add_get("/x", ok)
    setup(inner, cors(A))
    setup(root, cors("https://root.example"))
    root.add_subapp("/inner", inner)
    client = await aiohttp_client(root)
    for method, path, fields in (
        ("GET", "/inner/x", {"Origin": EVIL}),
        ("GET", "/inner/gone", {"Origin": EVIL}),
        ("POST", "/inner/x", {"Origin": EVIL, "Expect": "a-miracle"}),
        ("OPTIONS", "/inner/x", asking("GET", origin=EVIL)),
    ):
        caplog.clear()
        async with client.request(method, path, headers=fields):
            pass
        assert len(lines(caplog)) == 1, (method, path)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/orders/1%0D%0AINFO%20forged", CIMultiDict({"Origin": EVIL})),
        ("/orders/%1B%5B2J%07", CIMultiDict({"Origin": EVIL})),
        ("/orders/%C2%85%E2%80%A8%E2%80%AE", CIMultiDict({"Origin": EVIL})),
        ("/orders/%FF%FE", CIMultiDict({"Origin": EVIL})),
        ("/orders/1", CIMultiDict({"Origin": "https://e\u2028vil\u202e.example\x85"})),
        ("/orders/1", CIMultiDict([("Origin", EVIL), ("Origin", "\u202e")])),
    ],
)
@pytest.mark.parametrize("preflight", [False, True])
async def test_nothing_can_be_forged_in_the_log(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    path: str,
    fields: CIMultiDict[str],
    preflight: bool,
) -> None:
    client = await aiohttp_client(application())
    sent = CIMultiDict(fields)
    if preflight:
        sent["Access-Control-Request-Method"] = "GET"
    method = "OPTIONS" if preflight else "GET"
    async with client.request(method, path, headers=sent) as response:
        assert response.status == (403 if preflight else 200)
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize("name", ["x\u2028y", "\x85", "\u202ex", "x\u00e9", "x\ufffdy"])
@pytest.mark.parametrize("debug", [False, True])
async def test_nothing_can_be_forged_through_the_names_of_headers_or_methods(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture, name: str, debug: bool
) -> None:
    client = await aiohttp_client(application())
    asyncio.get_running_loop().set_debug(debug)
    for fields in (asking("GET", headers=name), asking(name)):
        caplog.clear()
        async with client.options("/orders/1", headers=fields) as response:
            told = await response.text()
            assert response.status == 403
        assert len(lines(caplog)) == 1
        assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]*", told)


async def test_a_long_origin_is_logged_in_short(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = await aiohttp_client(application())
    async with client.get("/orders/1", headers={"Origin": "https://" + "a" * 7_000}):
        pass
    (line,) = lines(caplog)
    assert len(line) < 1_000


@pytest.mark.parametrize("fields", [asking("X" * 7_000), asking("GET", headers="x" * 7_000)])
async def test_a_long_method_or_header_name_is_logged_in_short(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture, fields: dict[str, str]
) -> None:
    client = await aiohttp_client(application())
    async with client.options("/orders/1", headers=fields) as response:
        assert response.status == 403
    (line,) = lines(caplog)
    assert len(line) < 1_000
