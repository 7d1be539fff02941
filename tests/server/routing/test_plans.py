"""What is kept between requests never changes an answer, and does not grow."""

import asyncio
import contextlib
import gc
import random
import re
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import (
    cors,
    errors,
    explain,
    headers,
    https,
    problem_details,
    rule,
    shield,
    timeout,
    use,
)
from routeguard.routes.resolution import Resolution, resolve
from routeguard.serving import plan
from tests.support.extent import some
from tests.support.seen import PAGE, Client, answer, send

ROUTES = ("/", "/a", "/a/b", "/a/{x}", "/{x}", "/{x}/b", "/a/{t:.*}", "/{t:.*}", "/b/", "/a.{x}")
PATTERNS: tuple[str | re.Pattern[str], ...] = (
    "/", "/a", "/b", "/a/b", "/a/b/", "/b/a", "/*", "/a/*", "/b/*", "/a/b/*", "/a/{x}", "/{x}",
    "/{t}", "/a/{t}", "/{x}/b", re.compile("/a"), re.compile("/.*b$"), re.compile("/[^a]"),
)  # fmt: skip
SEGMENTS = ("a", "b", "c", "%61", ".", "..", "%2e%2e", "", "a%2Fb", "a.b", "..%2Fb", "in")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE")


@dataclass(frozen=True)
class Case:
    """One application: its routes, and its rules in order."""

    routes: Sequence[tuple[str, str, bool]]
    rules: Sequence[tuple[int, str | None]]
    fallback: bool

    def build(self, name: str) -> web.Application:
        app = web.Application()
        for number, (method, path, decorated) in enumerate(self.routes):
            said = cors("*", expose_headers=f"{name}-decorator-{number}")
            with contextlib.suppress(RuntimeError):  # "will never be executed"
                app.router.add_route(method, path, said(plain) if decorated else plain)
        rules = [
            rule(PATTERNS[which], cors("*", expose_headers=f"{name}-rule-{number}"), methods=method)
            for number, (which, method) in enumerate(self.rules)
        ]
        fallbacks = [cors("*", expose_headers=f"{name}-fallback")] if self.fallback else []
        routeguard.setup(app, *rules, *fallbacks)
        return app


async def plain(request: web.Request) -> web.Response:
    return web.Response()


cases = st.builds(
    Case,
    routes=st.lists(
        st.tuples(st.sampled_from(["GET", "POST", "*"]), st.sampled_from(ROUTES), st.booleans()),
        max_size=6,
    ),
    rules=st.lists(
        st.tuples(st.integers(0, len(PATTERNS) - 1), st.sampled_from([None, None, "GET", "POST"])),
        max_size=6,
    ),
    fallback=st.booleans(),
)
paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(
    lambda segments: "/" + "/".join(segments)
)
requests = st.lists(st.tuples(st.sampled_from(METHODS), paths), min_size=1, max_size=12)


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app)) as client:
        yield client


def explained(app: web.Application, method: str, path: str) -> str | None:
    policy = explain(app, method, path).policy("cors")
    return policy.expose_headers[0].lower() if isinstance(policy, cors) else None


@settings(
    max_examples=settings().max_examples // 10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(outer=cases, inner=st.none() | cases, asked=requests, seed=st.integers(0, 3))
async def test_answers_from_what_is_kept_are_those_of_explain(
    outer: Case, inner: Case | None, asked: list[tuple[str, str]], seed: int
) -> None:
    app = outer.build("outer")
    if inner is not None:
        app.add_subapp("/in", inner.build("inner"))
    expected = {one: explained(app, *one) for one in asked}
    async with serving(app) as client:
        for _ in range(2):
            random.Random(seed).shuffle(asked)
            for method, path in asked:
                async with send(client, method, path) as response:
                    met = response.headers.get("Access-Control-Expose-Headers")
                    lowered = None if met is None else met.lower()
                    assert (method, path, lowered) == (method, path, expected[method, path])


async def test_rules_of_two_applications_split_one_route() -> None:
    app, inner = web.Application(), web.Application()
    inner.router.add_get("/{tail:.*}", answer)
    routeguard.setup(
        inner, rule("/a", headers({"X-Inner": "a"})), rule("/b/*", headers({"X-Inner": "b"}))
    )
    routeguard.setup(
        app, rule("/in/c", headers({"X-Outer": "c"})), rule("/in/b/d/*", headers({"X-Outer": "d"}))
    )
    app.add_subapp("/in", inner)
    expected = {
        "/in/e": (None, None),  # the first decides what is usual
        "/in/a": ("a", None),
        "/in/b/e": ("b", None),
        "/in/b/d/e": ("b", "d"),
        "/in/c": (None, "c"),
    }
    async with serving(app) as client:
        for _ in range(2):  # made, and found
            for path, written in expected.items():
                async with send(client, "GET", path) as response:
                    found = response.headers.get("X-Inner"), response.headers.get("X-Outer")
                    assert (path, found) == (path, written)


async def test_each_of_many_prefixes_keeps_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[object] = []

    def counting(*given: Any) -> Resolution:
        resolved.append(given)
        return resolve(*given)

    monkeypatch.setattr(plan, "KEPT_PLANS", 2)
    monkeypatch.setattr(plan, "resolve", counting)
    app = web.Application()
    app.router.add_get("/x/{tail:.*}", answer)
    routeguard.setup(app, *(rule(f"/x/{number}/*", timeout(number + 1)) for number in range(9)))
    async with serving(app) as client:
        for last in ("first", "second"):
            for number in range(9):
                async with send(client, "GET", f"/x/{number}/{last}"):
                    pass
            if last == "first":
                resolved.clear()
    assert resolved == []


# --- memory ---------------------------------------------------------------------------------------


def site() -> web.Application:
    """Rules that split every route, so that plans are kept by path."""

    async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    inner = web.Application()
    inner.router.add_route("*", "/{tail:.*}", answer)
    routeguard.setup(inner, rule("/a/b/c", timeout(5)), rule(re.compile(r"/.*\d\d$"), timeout(6)))
    app = web.Application()
    app.router.add_route("*", "/x/{tail:.*}", answer)
    app.add_subapp("/in", inner)
    routeguard.setup(
        app,
        *(rule(f"/x/{number}", timeout(number + 1)) for number in range(20)),
        rule(re.compile(r"/x/.*7"), timeout(3)),
        cors(PAGE, allow_methods="*"),
        errors(problem_details),
        https(),
        shield(methods="POST"),
        use(through),
    )
    return app


def bare() -> web.Application:
    """The same routes without routeguard: what aiohttp and yarl keep by themselves."""
    inner, app = web.Application(), web.Application()
    inner.router.add_route("*", "/{tail:.*}", answer)
    app.router.add_route("*", "/x/{tail:.*}", answer)
    app.add_subapp("/in", inner)
    return app


def made_up(count: int, seed: int, *, preflights: bool, filler: int = 0) -> Iterator[bytes]:
    """Requests of which no two are alike."""
    chance = random.Random(seed)
    for number in range(count):
        part = f"{chance.getrandbits(64):x}" + "p" * chance.choice((0, 400, 3000))
        path = f"{chance.choice(('/x/', '/in/', '/gone/', '/x/%61/'))}{part}"
        method = chance.choice(("GET", "POST", "PUT", "DELETE"))
        asks = ""
        if preflights:
            asked = f"M{seed}-{number}" + "Z" * filler
            asks = f"Origin: {PAGE}\r\nAccess-Control-Request-Method: {asked}\r\n"
            method = "OPTIONS"
        yield f"{method} {path} HTTP/1.1\r\nHost: a\r\n{asks}\r\n".encode()


async def flood(server: TestServer, requests: Iterator[bytes]) -> None:
    """Sends requests one after the other, and reads the answers."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"Content-Length: (\d+)", head):
            await reader.readexactly(int(length[1]))
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("preflights", [False, True], ids=["requests", "preflights"])
async def test_when_a_flood_has_filled_what_is_kept_nothing_grows_any_more(
    aiohttp_server: AiohttpServer, preflights: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients choose paths and, in preflights, methods."""
    monkeypatch.setattr("routeguard.serving.plan.KEPT_PLANS", 600)
    monkeypatch.setattr("routeguard.serving.preflight_targets.KEPT_TARGETS", 300)
    monkeypatch.setattr("routeguard.policies.cors.answers.KEPT_GRANTS", 300)
    server = await aiohttp_server(site(), access_log=None)  # whose lines pytest would keep
    await flood(server, made_up(900, 1, preflights=preflights))
    gc.collect()
    before = len(gc.get_objects())
    await flood(server, made_up(1500, 2, preflights=preflights))
    gc.collect()
    assert len(gc.get_objects()) - before < 1000


async def test_what_is_kept_of_long_paths_and_methods_is_little(
    aiohttp_server: AiohttpServer,
) -> None:
    async def left_behind(app: web.Application) -> int:
        server = await aiohttp_server(app)
        await flood(server, made_up(20, 0, preflights=True))
        gc.collect()
        tracemalloc.start()
        try:
            await flood(server, made_up(some(800, brief=450), 1, preflights=True, filler=7000))
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    alone = await left_behind(bare())
    assert await left_behind(site()) - alone < 2_500_000
