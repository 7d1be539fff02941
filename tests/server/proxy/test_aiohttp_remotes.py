"""`proxied` beside aiohttp-remotes, each as its documentation asks, on the same raw requests."""

import time
from pathlib import Path

import aiohttp_remotes
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import proxied
from tests.support.proxiedapp import Told, tell, told_in
from tests.support.rawhttp import Reply, get, read_reply, talk

FOR, PROTO = "X-Forwarded-For: ", "X-Forwarded-Proto: "
LOOPBACK = {"127.0.0.0/8"}


def guarded(*policies: routeguard.Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/x", tell)
    routeguard.setup(app, *policies)
    return app


async def peered(remotes: aiohttp_remotes.abc.ABC) -> web.Application:
    app = web.Application()
    app.router.add_get("/x", tell)
    await aiohttp_remotes.setup(app, remotes)
    return app


async def both(
    aiohttp_server: AiohttpServer,
    remotes: aiohttp_remotes.abc.ABC,
    policy: proxied,
    *headers: str,
) -> tuple[Reply, Reply]:
    replies = []
    for app in (await peered(remotes), guarded(policy)):
        server = await aiohttp_server(app)
        replies.append(read_reply(await talk(get("/x", *headers), port=server.port)))
    return replies[0], replies[1]


def client(remote: str, scheme: str = "http", host: str = "localhost") -> Told:
    return Told(remote, scheme, host, f"{scheme}://{host}/x")


@pytest.mark.parametrize(
    "headers",
    [
        (FOR + "203.0.113.9",),
        (FOR + "203.0.113.9", PROTO + "https"),
        (FOR + "203.0.113.9, 127.0.0.7", PROTO + "https, http"),
        (FOR + "1.2.3.4, 203.0.113.9, 127.0.0.7", PROTO + "http, https, http"),
        (FOR + "203.0.113.9, 127.0.0.7", PROTO + "https"),
        (FOR + "2001:db8::9", PROTO + "https"),
        (FOR + "203.0.113.9", PROTO + "https", "X-Forwarded-Host: shop.example"),
        (),
    ],
)
async def test_what_proxies_ought_to_send_is_read_alike(
    aiohttp_server: AiohttpServer, headers: tuple[str, ...]
) -> None:
    theirs, ours = await both(
        aiohttp_server, aiohttp_remotes.XForwardedFiltered(LOOPBACK), proxied(host=True), *headers
    )
    assert told_in(theirs) == told_in(ours)


@pytest.mark.parametrize(
    "line",
    ["for=203.0.113.9;proto=https", "proto=https", 'for=203.0.113.9;proto=https;host="a.example"'],
)
async def test_forwarded_is_read_alike(aiohttp_server: AiohttpServer, line: str) -> None:
    theirs, ours = await both(
        aiohttp_server,
        aiohttp_remotes.ForwardedRelaxed(),
        proxied(forwarded=True, host=True),
        f"Forwarded: {line}",
    )
    assert told_in(theirs) == told_in(ours)


# --- where they differ ----------------------------------------------------------------------------


async def test_whoever_connects_is_believed_by_the_peer(aiohttp_server: AiohttpServer) -> None:
    headers = FOR + "203.0.113.9", PROTO + "https"
    for remotes in (
        aiohttp_remotes.XForwardedRelaxed(),
        aiohttp_remotes.XForwardedFiltered({"10.0.0.0/8"}),
    ):
        theirs, ours = await both(aiohttp_server, remotes, proxied("10.0.0.0/8"), *headers)
        assert told_in(theirs) == client("203.0.113.9", "https")
        assert told_in(ours) == client("127.0.0.1")


async def test_fewer_entries_than_proxies(aiohttp_server: AiohttpServer) -> None:
    theirs, ours = await both(
        aiohttp_server,
        aiohttp_remotes.XForwardedRelaxed(2),
        proxied(hops=2),
        FOR + "203.0.113.9",
    )
    assert theirs.status == 500
    assert told_in(ours) == client("127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((FOR + "unknown",), 400),
        ((FOR + "203.0.113.9:4711",), 400),
        ((FOR + "[2001:db8::9]",), 400),
        ((FOR + "1.2.3.4", FOR + "203.0.113.9"), 400),
    ],
)
async def test_what_the_peer_refuses(
    aiohttp_server: AiohttpServer, headers: tuple[str, ...], status: int
) -> None:
    theirs, ours = await both(
        aiohttp_server, aiohttp_remotes.XForwardedFiltered(LOOPBACK), proxied(), *headers
    )
    assert theirs.status == status
    assert ours.status == 200


@pytest.mark.parametrize(
    ("header", "theirs_saw"),
    [
        (PROTO + "javascript", "javascript"),
        ("X-Forwarded-Host: evil.example/..", "evil.example/.."),
    ],
)
async def test_scheme_and_host_are_not_examined_by_the_peer(
    aiohttp_server: AiohttpServer, header: str, theirs_saw: str
) -> None:
    async def bare(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.scheme} {request.host}")

    theirs: list[str] = []
    ours: list[str] = []
    for remotes, into in ((aiohttp_remotes.XForwardedRelaxed(), theirs), (None, ours)):
        app = web.Application()
        app.router.add_get("/x", bare)
        if remotes is None:
            routeguard.setup(app, proxied(host=True))
        else:
            await aiohttp_remotes.setup(app, remotes)
        server = await aiohttp_server(app)
        into.append(read_reply(await talk(get("/x", header), port=server.port)).body.decode())
    assert theirs_saw in theirs[0]
    assert ours[0] == "http localhost"


async def test_a_unix_socket(tmp_path: Path) -> None:
    statuses = []
    for name, app in (
        ("theirs", await peered(aiohttp_remotes.XForwardedStrict([LOOPBACK]))),
        ("ours", guarded(proxied())),
    ):
        runner = web.AppRunner(app)
        await runner.setup()
        path = str(tmp_path / name)
        await web.UnixSite(runner, path).start()
        statuses.append(read_reply(await talk(get("/x", FOR + "203.0.113.9"), path=path)))
        await runner.cleanup()
    assert statuses[0].status == 500
    assert told_in(statuses[1]) == client("203.0.113.9")


async def test_the_access_log_of_the_peer_does_not_know_the_client(
    aiohttp_server: AiohttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aiohttp.access")
    for app in (await peered(aiohttp_remotes.XForwardedRelaxed()), guarded(proxied())):
        server = await aiohttp_server(app, access_log_format="%a")
        await talk(get("/x", FOR + "203.0.113.9"), port=server.port)
    assert [one.getMessage() for one in caplog.records if one.name == "aiohttp.access"] == [
        "127.0.0.1",
        "203.0.113.9",
    ]


async def test_a_long_list(aiohttp_server: AiohttpServer) -> None:
    """As much as aiohttp lets in: the list is walked no farther than need be."""
    line = FOR + ", ".join(["10.0.0.7"] * 600)
    server = await aiohttp_server(guarded(proxied(["127.0.0.0/8", "10.0.0.0/8"])))
    started = time.process_time()
    reply = read_reply(await talk(get("/x", *[line] * 3), port=server.port))
    assert told_in(reply) == client("10.0.0.7")
    assert time.process_time() - started < 0.5
