"""What the tests of `cors` ask, and how they read what was answered."""

import aiohttp
from aiohttp import hdrs, web

from routeguard import cors, setup

A = "https://a.example"
B = "https://b.example"
EVIL = "https://evil.example"


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok", headers={"X-Total": "7"})


def serving(*entries: cors, path: str = "/", method: str = "GET") -> web.Application:
    """An application with one route and these fallbacks."""
    app = web.Application()
    app.router.add_route(method, path, ok)
    setup(app, *entries)
    return app


def access_control(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The CORS headers of a response, in lower case; none may be there twice."""
    found = [
        (name.lower(), value)
        for name, value in response.headers.items()
        if name.lower().startswith("access-control-")
    ]
    assert len(dict(found)) == len(found), f"a header is there twice: {found}"
    return dict(found)


def vary(response: aiohttp.ClientResponse) -> set[str]:
    """The tokens of `Vary`, in lower case; none may be there twice."""
    lines = response.headers.getall(hdrs.VARY, [])
    tokens = [token.strip().lower() for line in lines for token in line.split(",")]
    assert len(set(tokens)) == len(tokens), f"a token is there twice: {lines}"
    assert "" not in tokens, f"an empty token: {lines}"
    return set(tokens)


VARY = {"access-control-request-method", "access-control-request-headers"}


def asking(method: str = "GET", *, origin: str = A, headers: str | None = None) -> dict[str, str]:
    """The headers of a preflight."""
    fields = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers is not None:
        fields["Access-Control-Request-Headers"] = headers
    return fields


async def is_refused(response: aiohttp.ClientResponse) -> bool:
    """Whether a preflight was refused, as a refusal is to look; anything else but a grant fails."""
    if response.status == 204:
        assert "access-control-allow-origin" in access_control(response)
        return False
    assert response.status == 403
    assert access_control(response) == {}
    assert await response.read() == b""
    assert vary(response) >= VARY
    return True
