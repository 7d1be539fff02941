"""A request that changes in its place: everything that shows scheme, host or address agrees."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from aiohttp import web

from routeguard.internals.request import GuardedRequest, change_request
from tests.support.serving import serving

Act = Callable[[web.Request], object]


@dataclass
class Seen:
    """What a handler saw of its request, before and after."""

    acts: list[Act]
    results: list[object] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.Response:
        if request.can_read_body:
            await request.read()
        for act in self.acts:
            self.results.append(act(request))
        return web.Response()


async def asked(*acts: Act, message: bytes) -> list[object]:
    seen = Seen(list(acts))
    async with serving(seen.app()) as server:
        client = await server.dial()
        assert (await client.send(message).answer()).status == 200
    return seen.results


def shown(request: web.Request) -> dict[str, object]:
    return {
        "url": str(request.url),
        "scheme": request.scheme,
        "secure": request.secure,
        "host": request.host,
        "remote": request.remote,
        "path": request.path_qs,
    }


ORIGIN = b"GET /p%2F?q=1 HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"
ABSOLUTE = b"GET http://b.example:8080/p%2F?q=1 HTTP/1.1\r\nHost: a.example\r\n\r\n"
NO_PORT = b"GET http://b.example/p HTTP/1.1\r\nHost: a.example\r\n\r\n"
BODY = b"POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("message", [ORIGIN, ABSOLUTE, NO_PORT], ids=["origin", "absolute", "bare"])
@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": "https"},
        {"host": "c.example"},
        {"remote": "192.0.2.1"},
        {"scheme": "https", "host": "c.example", "remote": "192.0.2.1"},
    ],
    ids=str,
)
async def test_it_shows_what_aiohttps_own_clone_shows(
    message: bytes, changes: dict[str, str]
) -> None:
    """The clone is the oracle, where it is right: it has no port after a change of host."""
    before, clone, same, after = await asked(
        shown,
        lambda request: shown(request.clone(**changes)),  # type: ignore[arg-type]
        lambda request: change_request(request, **changes) is request,
        shown,
        message=message,
    )
    assert same is True
    assert isinstance(before, dict)
    assert isinstance(clone, dict)
    if message is ABSOLUTE and "host" in changes:
        # aiohttp keeps the port of the target that was replaced.
        clone |= {"url": clone["url"].replace("c.example:8080", "c.example")}
    if message is not ORIGIN and "host" in changes:
        clone["host"] = changes["host"]
    assert after == clone
    assert after != before


@pytest.mark.parametrize("message", [ORIGIN, ABSOLUTE], ids=["origin", "absolute"])
async def test_a_host_with_a_port(message: bytes) -> None:
    """aiohttp's own clone refuses one for a target in absolute form."""
    _, after = await asked(
        lambda request: change_request(request, host="c.example:8443"), shown, message=message
    )
    assert isinstance(after, dict)
    assert after["host"] == "c.example:8443"
    assert after["url"] == "http://c.example:8443/p%2F?q=1"


async def test_what_was_looked_at_before_is_no_longer_shown() -> None:
    """aiohttp keeps the URL that it has made once."""
    before, _, after = await asked(
        shown, lambda request: change_request(request, scheme="https"), shown, message=ORIGIN
    )
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["secure"], after["secure"]) == (False, True)
    assert after["url"] == "https://a.example:8080/p%2F?q=1"


async def test_a_request_whose_body_has_been_read() -> None:
    _, after = await asked(
        lambda request: change_request(request, scheme="https"), shown, message=BODY
    )
    assert isinstance(after, dict)
    assert after["url"] == "https://a.example/p"


async def test_a_second_change_leaves_the_first() -> None:
    *_, after = await asked(
        lambda request: change_request(request, scheme="https", remote="192.0.2.1"),
        lambda request: change_request(request, host="c.example"),
        shown,
        message=ABSOLUTE,
    )
    assert isinstance(after, dict)
    assert after["url"] == "https://c.example/p%2F?q=1"
    assert after["remote"] == "192.0.2.1"


async def test_clones_keep_what_was_changed() -> None:
    """A clone that aiohttp makes forgets it."""
    _, clone, again, other = await asked(
        lambda request: change_request(
            request, scheme="https", host="c.example:1", remote="192.0.2.1"
        ),
        lambda request: shown(request.clone()),
        lambda request: shown(request.clone(rel_url="/other").clone(method="PUT")),
        lambda request: shown(request.clone(host="d.example")),
        message=ABSOLUTE,
    )
    assert isinstance(clone, dict)
    assert isinstance(again, dict)
    assert isinstance(other, dict)
    assert clone["url"] == "https://c.example:1/p%2F?q=1"
    assert again["url"] == "https://c.example:1/other"
    assert clone["remote"] == again["remote"] == "192.0.2.1"
    assert other["url"] == "https://d.example/p%2F?q=1"


async def test_a_request_of_somebody_elses_class_is_cloned() -> None:
    class Own(web.Request):
        pass

    found: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        found.append(request)
        found.append(change_request(request, scheme="https", host="c.example:1"))
        return web.Response()

    app = web.Application()
    app.router.add_get("/p{tail:.*}", handler)
    app._make_request = partial(app._make_request, _cls=Own)  # type: ignore[method-assign]
    async with serving(app) as server:
        for message in (ORIGIN, ABSOLUTE):
            assert (await (await server.dial()).send(message).answer()).status == 200
    for request, clone in (found[:2], found[2:]):
        assert type(request) is type(clone) is Own
        assert request is not clone
        assert request.scheme == "http"
        assert str(clone.url) == "https://c.example:1/p%2F?q=1"


async def test_a_changed_request_is_still_a_request() -> None:
    kinds = await asked(
        lambda request: change_request(request, scheme="https"),
        lambda request: isinstance(request, web.Request) and isinstance(request, GuardedRequest),
        lambda request: (request.match_info["tail"], request.method),
        message=ORIGIN,
    )
    assert kinds[1:] == [True, ("p/", "GET")]
