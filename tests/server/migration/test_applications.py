"""The services of the migration pages, before and after, asked the same over real sockets."""

import asyncio
import json
import logging
from dataclasses import dataclass
from email.message import Message
from types import ModuleType

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.server.migration import (
    cors_after,
    cors_before,
    jobs_after,
    jobs_before,
    middlewares_after,
    middlewares_before,
)
from tests.server.migration.database import DATABASE, Database
from tests.server.migration.shields import hang_up, serve
from tests.support.rawhttp import Reply, read_reply, talk

SHOP = "https://shop.example"
PARTNER = "https://partner.example"
THEIR_SHOP = "https://books.partner.example"
STRANGER = "https://evil.test"

pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    origin: str | None = None
    body: bytes = b""
    headers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, [self.method, self.path, self.origin, *self.headers]))

    async def of(self, app: web.Application) -> Reply:
        """What an application answers."""
        fields = ["Host: shop.example", "Connection: close", *self.headers]
        fields += [f"Origin: {self.origin}"] if self.origin else []
        fields += [f"Content-Length: {len(self.body)}"] if self.body else []
        head = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *fields, "", ""])
        async with TestServer(app) as server:
            assert server.port is not None
            return read_reply(await talk(head.encode() + self.body, port=server.port))


@dataclass(frozen=True)
class Got:
    """What a client gets, and a browser lets the page see of it."""

    status: int
    body: str
    readable: bool
    credentials: bool
    exposed: frozenset[str]


def _is_readable(headers: Message, origin: str | None) -> bool:
    # Fetch, CORS check.
    return origin is not None and headers["Access-Control-Allow-Origin"] in ("*", origin)


def _tokens(headers: Message, name: str) -> frozenset[str]:
    return frozenset(one.strip().lower() for one in (headers[name] or "").split(",")) - {""}


def got(reply: Reply, ask: Ask) -> Got:
    """What a client gets by a reply."""
    readable = _is_readable(reply.headers, ask.origin)
    credentials = reply.headers["Access-Control-Allow-Credentials"] == "true"
    return Got(
        reply.status,
        reply.body.decode(),
        readable,
        readable and credentials,
        _tokens(reply.headers, "Access-Control-Expose-Headers") if readable else frozenset(),
    )


def granted(reply: Reply, ask: Ask, method: str, *headers: str) -> tuple[bool, bool, str | None]:
    """What a preflight grants: the request itself, its cookies, and for how long."""
    methods = _tokens(reply.headers, "Access-Control-Allow-Methods")
    allowed = _tokens(reply.headers, "Access-Control-Allow-Headers")
    passes = (
        200 <= reply.status <= 299
        and _is_readable(reply.headers, ask.origin)
        and (method.lower() in methods or method in ("GET", "HEAD", "POST"))
        and all(header in allowed for header in headers)
    )
    credentials = reply.headers["Access-Control-Allow-Credentials"] == "true"
    return passes, passes and credentials, reply.headers["Access-Control-Max-Age"]


async def both(before: ModuleType, after: ModuleType, ask: Ask) -> tuple[Reply, Reply]:
    """What the two applications answer."""
    return await ask.of(before.make_app()), await ask.of(after.make_app())


ORDERS = (
    Ask("GET", "/api/orders/7"),
    Ask("GET", "/api/orders/7", SHOP),
    Ask("GET", "/api/orders/7", THEIR_SHOP),
    Ask("GET", "/api/orders/7", STRANGER),
    Ask("GET", "/api/orders/seven", SHOP),
    Ask("GET", "/api/orders/2000", SHOP),
    Ask("POST", "/api/orders", SHOP, b'{"book": "Emma"}'),
    Ask("POST", "/api/orders", SHOP, b"no JSON"),
    Ask("POST", "/api/previews", SHOP),
    Ask("POST", "/api/imports"),
    Ask("DELETE", "/api/orders/7"),
    Ask("GET", "/api/nothing", SHOP),
    Ask("GET", "/pages/receipt", SHOP),
    Ask("GET", "/pages/link"),
    Ask("GET", "/pages/link", headers=("X-Forwarded-Proto: https",)),
    Ask("GET", "/nothing"),
)
ORDER_PREFLIGHTS = (
    ("/api/orders", SHOP, "POST", ("content-type",)),
    ("/api/orders", THEIR_SHOP, "POST", ("content-type", "authorization")),
    ("/api/orders", SHOP, "POST", ("x-colour",)),
    ("/api/orders/7", SHOP, "GET", ("authorization",)),
    ("/api/orders", STRANGER, "POST", ("content-type",)),
    ("/pages/receipt", SHOP, "GET", ("authorization",)),
)
BOOKS = (
    Ask("GET", "/books"),
    Ask("GET", "/books", SHOP),
    Ask("GET", "/books", STRANGER),
    Ask("POST", "/books", SHOP),
    Ask("POST", "/books", STRANGER),
    Ask("GET", "/books/7", SHOP),
    Ask("GET", "/books/7", PARTNER),
    Ask("PUT", "/books/7", SHOP),
    Ask("PUT", "/books/7", PARTNER),
    Ask("PUT", "/books/7", STRANGER),
    Ask("GET", "/health", SHOP),
)
BOOK_PREFLIGHTS = (
    ("/books", SHOP, "POST", ("content-type",)),
    ("/books", STRANGER, "POST", ()),
    ("/books/7", PARTNER, "PUT", ("x-version",)),
    ("/books/7", SHOP, "PUT", ("content-type", "x-version")),
    ("/books/7", SHOP, "PUT", ("x-colour",)),
    ("/books/7", STRANGER, "PUT", ()),
    ("/books/7", PARTNER, "GET", ("content-type",)),
)
SERVICES = {
    "orders": (middlewares_before, middlewares_after),
    "books": (cors_before, cors_after),
}


@pytest.mark.parametrize(
    ("service", "ask"),
    [("orders", ask) for ask in ORDERS] + [("books", ask) for ask in BOOKS],
    ids=str,
)
async def test_a_client_gets_the_same_before_and_after(service: str, ask: Ask) -> None:
    before, after = await both(*SERVICES[service], ask)
    assert got(after, ask) == got(before, ask)


@pytest.mark.parametrize(
    ("service", "path", "origin", "method", "headers"),
    [("orders", *asked) for asked in ORDER_PREFLIGHTS]
    + [("books", *asked) for asked in BOOK_PREFLIGHTS],
)
async def test_a_preflight_grants_the_same_before_and_after(
    service: str, path: str, origin: str, method: str, headers: tuple[str, ...]
) -> None:
    asked = (
        f"Access-Control-Request-Method: {method}",
        f"Access-Control-Request-Headers: {', '.join(headers)}",
    )
    ask = Ask("OPTIONS", path, origin, headers=asked)
    before, after = await both(*SERVICES[service], ask)
    told = granted(after, ask, method, *headers)
    if told[0]:
        assert told == granted(before, ask, method, *headers)
    else:  # a refusal has no headers at all here, and some there
        assert not granted(before, ask, method, *headers)[0]


@pytest.mark.parametrize("path", ["/api/search", "/api/imports"])
async def test_a_timeout_is_a_504_now_and_was_a_500(path: str) -> None:
    ask = Ask("GET", path, SHOP)
    before, after = await both(middlewares_before, middlewares_after, ask)
    assert (before.status, json.loads(before.body)) == (500, {"detail": ""})
    told = {"detail": "the response did not start within 0.3 s"}
    assert (after.status, json.loads(after.body)) == (504, told)
    assert got(after, ask).readable is got(before, ask).readable is True


async def test_only_what_is_ours_to_mend_is_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: dict[str, list[int]] = {}
    for name, module in (("before", middlewares_before), ("after", middlewares_after)):
        told[name] = []
        for path in ("/api/orders/2000", "/api/orders/seven"):
            caplog.clear()
            await Ask("GET", path).of(module.make_app())
            told[name].append(sum(one.levelno >= logging.ERROR for one in caplog.records))
    assert told == {"before": [1, 1], "after": [0, 1]}


JOBS = pytest.mark.parametrize("service", [jobs_before, jobs_after], ids=["before", "after"])


def _order(book: str) -> bytes:
    body = json.dumps({"book": book}).encode()
    head = f"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@JOBS
async def test_an_order_is_answered_and_its_mail_sent(service: ModuleType) -> None:
    app: web.Application = service.make_app()
    ask = Ask("POST", "/orders", body=b'{"book": "Emma"}')
    reply = await ask.of(app)
    assert (reply.status, json.loads(reply.body)) == (201, {"placed": "Emma"})
    assert app[DATABASE].rows == ["Emma", "mail about Emma"]


@JOBS
async def test_orders_outlive_their_clients_and_a_deploy(service: ModuleType) -> None:
    app: web.Application = service.make_app()
    async with serve(app) as (_, port):
        database = app[DATABASE]
        for number in range(20):
            book = f"book {number}"
            await hang_up(port, _order(book), database.asked[book])
    assert database.lost == []
    assert _orders(database) == {f"book {number}" for number in range(20)}


async def test_orders_outlive_clients_that_hang_up_at_once() -> None:
    app = jobs_after.make_app()
    at_once = asyncio.Event()
    at_once.set()
    async with serve(app) as (_, port):
        for number in range(20):
            await hang_up(port, _order(f"book {number}"), at_once)
    assert _orders(app[DATABASE]) == {f"book {number}" for number in range(20)}


def _orders(database: Database) -> set[str]:
    return {row for row in database.rows if not row.startswith("mail")}
