"""Which policy of each kind reached a request, told by what the client sees of it.

Each kind of policy comes in five values, named by tags. `Kind.seen` finds out over a real
connection which of the five applied; `check` holds it against what `explain` tells.
"""

import contextlib
import functools
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient
from yarl import URL

from routeguard import (
    ConfigError,
    Policy,
    cors,
    csrf,
    deadline,
    errors,
    explain,
    hosts,
    https,
    proxied,
    shield,
    shielded_count,
    timeout,
)

Client = TestClient[web.Request, web.Application]

TAGS = ("a", "b", "c", "d", "e")
METHODS = dict(zip(TAGS, ("GET", "POST", "PUT", "PATCH", "DELETE"), strict=True))
PAGE = "https://page.example"


async def answer(request: web.Request) -> web.Response:
    """The handler of all routes here: reports what only the inside sees."""
    if "fail" in request.query:
        raise web.HTTPConflict
    left = deadline(request).remaining
    return web.json_response(
        {
            "timeout": None if left is None else math.ceil(left),
            "shielded": _shielded(request),
            "remote": request.remote,
        }
    )


def send(
    client: Client, method: str, path: str, headers: Mapping[str, str] | None = None
) -> AbstractAsyncContextManager[ClientResponse]:
    """Sends a request with its path as it is written; the test client would resolve its dots."""
    url = URL(f"{client.make_url('/').origin()}{path}", encoded=True)
    return client.session.request(method, url, headers=headers, allow_redirects=False)


def _shielded(request: web.Request) -> bool:
    for app in request.match_info.apps:
        with contextlib.suppress(ConfigError):  # not every one is given to setup
            return shielded_count(app) > 0
    return False


@web.middleware
async def answer_in_place(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers as `answer` does where no handler is reached; for requests that match no route."""
    return await answer(request)


@dataclass(frozen=True, slots=True)
class label(Policy):  # noqa: N801  # it reads as a decorator
    """A kind of policy of one's own."""

    text: str

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Label"] = self.text
        return response


@dataclass(frozen=True)
class Kind:
    """One kind of policy: how to make five of it, and how to tell which of them applied."""

    name: str
    kind: type[Policy] | Policy
    make: Callable[[str], Policy]
    seen: Callable[[Client, str], Awaitable[str | None]]

    def __str__(self) -> str:
        return self.name


def _number(tag: str) -> int:
    return 1000 * (TAGS.index(tag) + 1)


def _tag_of(number: int | None) -> str | None:
    return None if number is None else TAGS[number // 1000 - 1]


async def _timeout(client: Client, path: str) -> str | None:
    async with send(client, "GET", path) as response:
        return _tag_of((await response.json())["timeout"])


async def _shield(client: Client, path: str) -> str | None:
    found = []
    for tag, method in METHODS.items():
        async with send(client, method, path) as response:
            if (await response.json())["shielded"]:
                found.append(tag)
    assert len(found) <= 1, found
    return found[0] if found else None


async def _cors(client: Client, path: str) -> str | None:
    async with send(client, "GET", path, headers={"Origin": PAGE}) as response:
        return response.headers.get("Access-Control-Expose-Headers")


@functools.cache
def error_handler(tag: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """One error handler for each tag, so that equal tags make equal policies."""

    async def answering(request: web.Request) -> web.Response:
        return web.Response(status=409, headers={"X-Handler": tag})

    return answering


async def _errors(client: Client, path: str) -> str | None:
    async with send(client, "GET", f"{path}?fail") as response:
        assert response.status == 409
        return response.headers.get("X-Handler")


async def _https(client: Client, path: str) -> str | None:
    headers = {"X-Forwarded-Proto": "https"}
    async with send(client, "GET", path, headers=headers) as response:
        sent = response.headers.get("Strict-Transport-Security")
        return None if sent is None else _tag_of(int(sent.removeprefix("max-age=")))


async def _csrf(client: Client, path: str) -> str | None:
    passed = []
    for tag in TAGS:
        headers = {"Origin": f"https://{tag}.example", "Sec-Fetch-Site": "cross-site"}
        async with send(client, "POST", path, headers=headers) as response:
            if response.status != 403:
                passed.append(tag)
    assert passed in ([tag] for tag in TAGS) or passed == list(TAGS), passed
    return passed[0] if len(passed) == 1 else None


async def _proxied(client: Client, path: str) -> str | None:
    headers = {"X-Forwarded-For": ", ".join(f"203.0.113.{tag}" for tag in range(len(TAGS), 0, -1))}
    async with send(client, "GET", path, headers=headers) as response:
        remote = (await response.json())["remote"]
    network, _, number = remote.rpartition(".")
    return TAGS[int(number) - 1] if network == "203.0.113" else None


async def _hosts(client: Client, path: str) -> str | None:
    passed = []
    for tag in TAGS:
        async with send(client, "GET", path, headers={"Host": f"{tag}.example"}) as response:
            if response.status != 421:
                passed.append(tag)
    assert passed in ([tag] for tag in TAGS) or passed == list(TAGS), passed
    return passed[0] if len(passed) == 1 else None


async def _label(client: Client, path: str) -> str | None:
    async with send(client, "GET", path) as response:
        return response.headers.get("X-Label")


KINDS = (
    Kind("timeout", timeout, lambda tag: timeout(_number(tag)), _timeout),
    Kind("shield", shield, lambda tag: shield(methods=METHODS[tag]), _shield),
    Kind("cors", cors, lambda tag: cors(PAGE, expose_headers=tag), _cors),
    Kind("errors", errors, lambda tag: errors(error_handler(tag)), _errors),
    Kind("https", https, lambda tag: https(hsts=_number(tag)), _https),
    Kind("proxied", proxied, lambda tag: proxied(hops=TAGS.index(tag) + 1), _proxied),
    Kind("hosts", hosts, lambda tag: hosts(f"{tag}.example", "127.0.0.1"), _hosts),
    Kind("csrf", csrf, lambda tag: csrf(trusted_origins=f"https://{tag}.example"), _csrf),
    Kind("label", label, label, _label),
)


def explained(app: web.Application, kind: Kind, path: str) -> str | None:
    """Which of the five `explain` says applies."""
    found = []
    for tag, method in METHODS.items():
        told = explain(app, method, path)
        named = {entry.kind: entry.policies for entry in told.kinds}
        if kind.make(tag) in named.get(kind.name, ()):
            found.append(tag)
    return found[0] if found else None


async def check(
    aiohttp_client: AiohttpClient,
    app: web.Application,
    kind: Kind,
    expected: Mapping[str, str | None],
) -> None:
    """Holds what requests meet, and what `explain` tells, against what is expected, by path."""
    told = {path: explained(app, kind, path) for path in expected}
    client = await aiohttp_client(app)
    met = {path: await kind.seen(client, path) for path in expected}
    assert met == expected
    assert told == expected
