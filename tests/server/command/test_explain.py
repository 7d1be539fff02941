"""`explain` where policies read more of a request than there is without a server."""

import pytest
from aiohttp import web

import routeguard
from routeguard import cors, explain, https


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


def make(policy: cors | https) -> web.Application:
    app = web.Application()
    app.router.add_get("/", page)
    routeguard.setup(app, policy)
    return app


@pytest.mark.parametrize(
    ("line", "scheme"),
    [
        ("proto=https", "https"),
        ("for=192.0.2.1;proto=https", "https"),
        ('for=192.0.2.1, for="[2001:db8::1]";Proto="HTTPS"', "https"),
        ("https", "https"),
        ("proto=https, for=192.0.2.1;proto=http", "http"),
        ('proto=https, for="a,proto=https"', "http"),
        ('proto=https;for="a', "http"),
        ("", "http"),
    ],
)
def test_the_forwarded_header_is_read_as_a_server_reads_it(line: str, scheme: str) -> None:
    told = explain(make(https({"Forwarded": "https"})), "GET", "/", headers={"Forwarded": line})

    assert told.scheme.split(",")[0] == scheme


def test_a_predicate_is_asked_with_what_there_is() -> None:
    def is_own(origin: str, request: web.Request) -> bool:
        return origin == f"https://{request.host}" and request.path == "/"

    app = make(cors(is_own))
    origin = "https://shop.example.com"

    assert explain(app, "GET", "/", origin=origin, host="shop.example.com").cors == "allowed"
    assert explain(app, "GET", "/", origin=origin, host="example.com").cors.startswith("refused")


def test_a_predicate_that_needs_a_server_is_no_refusal() -> None:
    async def is_tenant(origin: str, request: web.Request) -> bool:
        return origin in request.app

    told = explain(make(cors(is_tenant)), "PUT", "/", origin="https://shop.example.com")

    expected = "the predicate reads request.app: only a running server can tell"
    assert (told.cors, told.preflight) == (expected, expected)
