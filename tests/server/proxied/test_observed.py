"""What observers are told of `https` and `hosts`."""

from aiohttp import web
from pytest_aiohttp import AiohttpServer

import routeguard
from routeguard import Event, hosts, https, proxied, rule
from tests.support.proxiedapp import tell
from tests.support.rawhttp import get, talk


async def test_what_is_refused_and_redirected_is_observed(aiohttp_server: AiohttpServer) -> None:
    events: list[Event] = []
    app = web.Application()
    app.router.add_route("*", "/x", tell)
    app.router.add_route("*", "/reported", tell)
    routeguard.setup(
        app,
        rule("/reported", hosts("shop.example", report_only=True)),
        proxied(),
        https(redirect=True),
        hosts("shop.example"),
        observers=[events.append],
    )
    server = await aiohttp_server(app)
    secure = "X-Forwarded-Proto: https"
    for path, method, headers in (
        ("/x", "GET", ()),
        ("/x", "POST", ()),
        ("/x", "GET", (secure, "X-Forwarded-For: 203.0.113.9")),
        ("/reported", "GET", (secure,)),
    ):
        await talk(get(path, *headers, method=method), port=server.port)
    told = [(one.policy, one.action, one.status, one.place, one.route) for one in events]
    assert told == [
        ("https", "redirected", 308, "fallback", "/x"),
        ("https", "refused", 403, "fallback", "/x"),
        ("hosts", "refused", 421, "fallback", "/x"),
        ("hosts", "would refuse", 421, 'rule 1 "/reported"', "/reported"),
    ]
    assert [one.error is None for one in events] == [False] * 4
    seen = events[2].request
    assert isinstance(seen, web.Request) and seen.remote == "203.0.113.9"
