"""URL patterns against requests: spellings of one place, encoded paths, odd request targets."""

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpClient, AiohttpServer
from yarl import URL

import routeguard
from routeguard import Policy, explain, rule, use
from tests.server.routing.denials import SECRET, asked, denied, deny, expect, filled, show

PATTERNS: list[tuple[str | re.Pattern[str] | URL, list[str], list[str]]] = [
    ("/health", ["/health"], ["/health/", "/healthy", "/Health", "/", "/x/health"]),
    (URL("/health"), ["/health"], ["/health/", "/healthy"]),
    ("/", ["/"], ["/x"]),
    ("/*", ["/", "/x", "/x/y/z", "/x/"], []),
    ("/api/*", ["/api/", "/api/x", "/api/x/y", "/api/x/"], ["/api", "/apis", "/x/api/y", "/"]),
    ("/a/b/*", ["/a/b/", "/a/b/c/d"], ["/a/b", "/a/", "/a/bc/d", "/a/c/b/"]),
    ("/{tail}", ["/x", "/x/y", "/%7Btail%7D"], []),
    (re.compile(r"/api/v\d"), ["/api/v1", "/api/v1/x", "/api/v12"], ["/api/vx", "/x/api/v1"]),
    (re.compile(r"/exact$"), ["/exact"], ["/exact/", "/exactly"]),
    ("/naïve", ["/na%C3%AFve"], ["/naive", "/na%EFve"]),
    ("/a b", ["/a%20b"], ["/a+b", "/ab"]),
    ("/50%", ["/50%25"], ["/50"]),
    (URL("/50%25", encoded=True), ["/50%25"], ["/50"]),
    ("/a=b;c,d@e:f!$&'()+", ["/a=b;c,d@e:f!$&'()+", "/a%3Db;c,d@e:f!$&'()+"], ["/a"]),
    ("/日本/*", ["/%E6%97%A5%E6%9C%AC/x"], ["/%E6%97%A5/x"]),
]


@pytest.mark.parametrize(("pattern", "inside", "outside"), PATTERNS, ids=lambda one: str(one)[:30])
@pytest.mark.parametrize("mounted", [False, True], ids=["root", "mounted"])
async def test_what_a_pattern_matches(
    aiohttp_client: AiohttpClient,
    pattern: str | re.Pattern[str] | URL,
    inside: list[str],
    outside: list[str],
    mounted: bool,
) -> None:
    app = web.Application()
    app.router.add_get("/{tail:.*}", show)
    routeguard.setup(app, rule(pattern, use(deny)))
    prefix, served = "", app
    if mounted:
        prefix, served = "/mount", web.Application()
        served.add_subapp(prefix, app)
    expected = {prefix + path: True for path in inside} | dict.fromkeys(
        (prefix + path for path in outside), False
    )
    await expect(aiohttp_client, served, expected)


async def test_a_canonical_pattern_goes_by_the_resource_that_is_matched(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/users/me", show)
    app.router.add_get(r"/users/{id:\d+}", show)
    app.router.add_get("/users/{name}", show)
    app.router.add_get("/v{major}.{minor}/x", show)
    app.router.add_get("/deep/{a}/{b:.*}", show)
    routeguard.setup(
        app,
        rule("/users/{id}", use(deny)),
        rule("/v{major}.{minor}/x", use(deny)),
        rule("/deep/{a}/{b}", use(deny)),
    )
    await expect(
        aiohttp_client,
        app,
        {
            "/users/7": True,
            "/users/%37": True,
            "/users/ada": False,
            "/users/me": False,
            "/users/": False,
            "/v1.2/x": True,
            "/v1/x": False,
            "/deep/1/2/3": True,
        },
    )


SPELLINGS = [
    "/files/private/secret.txt",
    "/files//private/secret.txt",
    "/files/private//secret.txt",
    "/files/./private/secret.txt",
    "/files/private/./secret.txt",
    "/files/x/../private/secret.txt",
    "/files/private/x/../secret.txt",
    "/files/x/y/../../private/secret.txt",
    "/files/x%2F..%2Fprivate/secret.txt",
    "/files/x%2f%2e%2e%2fprivate%2fsecret.txt",
    "/files/%2e/private/secret.txt",
    "/files/private%2Fsecret.txt",
    "/files/%70rivate/secret.txt",
    "/files/%70%72%69vate/secret%2Etxt",
    "/files/public/../private/secret.txt",
    "/files/public/%2e%2e/private/secret.txt",
    "/files/public/.%2e/private/secret.txt",
    "/files/private/secret.txt/",
    "/files/private/secret.txt/.",
    "/files/private/secret.txt//",
    "/files/private/secret.txt/x/..",
    "/files/private/secret.txt%2F",
]


def read(name: str) -> str:
    """What the operating system opens by a name, which pathlib would tidy first."""
    with open(name) as file:
        return file.read()


@pytest.mark.parametrize("pattern", ["/files/private/*", "/files/private/secret.txt"])
@pytest.mark.parametrize("served_by", ["static", "tail"])
@pytest.mark.parametrize("mounted", [False, True], ids=["root", "mounted"])
async def test_no_spelling_of_a_place_gets_round_its_rule(
    aiohttp_client: AiohttpClient, tmp_path: Path, pattern: str, served_by: str, mounted: bool
) -> None:
    folder = filled(tmp_path)

    async def open_file(request: web.Request) -> web.Response:
        try:
            text = read(f"{folder}/{request.match_info['tail']}")
        except OSError:
            raise web.HTTPNotFound from None
        return web.Response(text=text)

    app = web.Application()
    if served_by == "static":
        app.router.add_static("/files", folder)
    else:
        app.router.add_get("/files/{tail:.*}", open_file)
    routeguard.setup(app, rule(pattern, use(deny)))
    prefix, served = "", app
    if mounted:
        prefix, served = "/mount", web.Application()
        served.add_subapp(prefix, app)
    client = await aiohttp_client(served)
    leaked, untold = [], []
    for path in SPELLINGS:
        status, text = await asked(client, prefix + path)
        if text == SECRET:
            leaked.append(path)
        if (status == 403) is not denied(served, prefix + path):
            untold.append(path)
    assert (leaked, untold) == ([], [])
    assert await asked(client, f"{prefix}/files/public/secret.txt") == (200, "open")


@pytest.mark.parametrize("path", ["/a%2Fb", "/100%25", "/naïve", "/a//b", "/a/./b"])
async def test_a_plain_route_that_is_not_written_as_rules_see_it(
    aiohttp_client: AiohttpClient, path: str
) -> None:
    """aiohttp compares a plain route with the path but for %2F and %25 decoded."""
    seen_by_rules = {
        "/a%2Fb": "/a/b",
        "/100%25": "/100%",
        "/naïve": "/naïve",
        "/a//b": "/a/b",
        "/a/./b": "/a/b",
    }[path]
    app = web.Application()
    app.router.add_get(path, show)
    routeguard.setup(app, rule(seen_by_rules, use(deny)))
    raw = URL.build(path=path, encoded=True).raw_path.replace("ï", "%C3%AF")
    await expect(aiohttp_client, app, {raw: True})


async def test_a_plain_route_with_an_encoded_slash_below_a_prefix_rule(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/admin%2Fpanel", show)
    routeguard.setup(app, rule("/admin/*", use(deny)))
    await expect(aiohttp_client, app, {"/admin%2Fpanel": True})


@pytest.mark.parametrize("mounted", [False, True], ids=["root", "mounted"])
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
async def test_one_spelling_does_not_decide_for_another_on_one_route(
    aiohttp_client: AiohttpClient, mounted: bool, split: bool
) -> None:
    app = web.Application()
    app.router.add_get("/x/{tail:.*}", show)
    inside = [rule("/x/a", use(deny))] if split else []
    routeguard.setup(app, *inside, rule("/y/*", use(deny)))
    prefix, served = "", app
    if mounted:
        prefix, served = "/mount", web.Application()
        served.add_subapp(prefix, app)
    is_denied = {
        "/x/b": False,
        "/x/a": split,
        "/x/%61": split,
        "/x/../y/z": True,
        "/x/%2e%2e/y/z": True,
        "/x/a%2F": False,
        "/x/a/": False,
    }
    assert {path: denied(served, prefix + path) for path in is_denied} == is_denied
    client = await aiohttp_client(served)
    for path in (*is_denied, *reversed(is_denied)):
        status, _ = await asked(client, prefix + path)
        assert (status == 403) is is_denied[path], path


async def test_explain_takes_a_path_that_begins_with_two_slashes(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/{tail:.*}", show)
    routeguard.setup(app, rule("/host/x", use(deny)))
    told = explain(app, "GET", "//host/x?y#z")
    assert use(deny) in told["use"].policies
    assert not explain(app, "GET", "//host/y")["use"].policies
    client = await aiohttp_client(app)
    status = await raw_status(client.server, b"GET //host/x HTTP/1.1")
    assert status == 403
    assert await raw_status(client.server, b"GET //other/x HTTP/1.1") == 200


async def raw_status(server: object, line: bytes) -> int:
    """The status of the answer to a request line, sent as it is."""
    assert isinstance(server, TestServer)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ", 2)[1])


TARGETS = [
    (b"OPTIONS * HTTP/1.1", 403),
    (b"GET http://localhost/guarded/x HTTP/1.1", 403),
    (b"GET http://localhost/open HTTP/1.1", 200),
    (b"GET /guarded/x?y=/../z HTTP/1.1", 403),
    (b"GET /guarded/x#y HTTP/1.1", 403),
    (b"GET /open/%FF%FE HTTP/1.1", 200),
    (b"GET /guarded/%FF HTTP/1.1", 403),
    (b"GET /guarded/%00 HTTP/1.1", 403),
    (b"GET /guarded/%ZZ HTTP/1.1", 403),
    (b"GET /guarded/{x} HTTP/1.1", 403),
    (b"GET /open/%E0%80%AF%2e%2e/guarded/x HTTP/1.1", 200),
    (b"GET /open/../../../guarded/x HTTP/1.1", 403),
    (b"GET /open/..%5Cguarded HTTP/1.1", 200),
    (b"GET /open/" + b"a/" * 1500 + b" HTTP/1.1", 200),
    (b"GET /guarded/" + b"../guarded/" * 300 + b"x HTTP/1.1", 403),
]


@pytest.mark.parametrize(("line", "status"), TARGETS, ids=[str(line[:40]) for line, _ in TARGETS])
async def test_odd_request_targets(aiohttp_server: AiohttpServer, line: bytes, status: int) -> None:
    guards: list[Policy] = [use(deny)]
    app = web.Application()
    app.router.add_get("/{tail:.*}", show)
    routeguard.setup(app, rule("/guarded/*", *guards), rule("OPTIONS /*", *guards))
    server = await aiohttp_server(app)
    assert await raw_status(server, line) == status


async def test_connect_meets_the_rules_for_everything(aiohttp_server: AiohttpServer) -> None:
    app = web.Application()
    app.router.add_get("/", show)
    routeguard.setup(app, rule("/*", use(deny)))
    server = await aiohttp_server(app)
    assert await raw_status(server, b"CONNECT example.com:443 HTTP/1.1") == 403
