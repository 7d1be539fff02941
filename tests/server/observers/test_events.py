"""What observers are told, of every kind of policy, over real connections."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient, AiohttpServer

from routeguard import (
    Event,
    Place,
    Policy,
    concurrency_limit,
    cors,
    csrf,
    errors,
    exempt,
    hosts,
    https,
    problem_details,
    rate_limit,
    rule,
    setup,
    shield,
    timeout,
    until_shutdown,
)
from routeguard.policies.body.policy import body
from tests.support.rawhttp import get, read_reply, talk
from tests.support.seen import PAGE
from tests.support.serving import serving, soon, until

PATIENCE = 20.0

FIELDS = ("status", "error", "seconds", "bound")
PAGE_OF_EVENTS = Path(__file__).parents[3] / "docs" / "reference" / "events.md"
ROW = re.compile(r"^\| `(\w+)` \| `([\w ]+)` \| .* \|(.*)\|$", re.MULTILINE)

# What each event has, by policy and action, as the documentation tells.
DOCUMENTED: dict[tuple[str, str], set[str]] = {
    (policy, action): set(re.findall(r"`(\w+)`", has))
    for policy, action, has in ROW.findall(PAGE_OF_EVENTS.read_text(encoding="utf-8"))
} | {("daily", "refused"): {"status", "error"}}

number: ContextVar[str] = ContextVar("number", default="outside any request")


@web.middleware
async def numbered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sets a context variable, which observers must find."""
    number.set(request.headers.get("X-Number", "-"))
    return await handler(request)


class Seen:
    """An observer, and what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.numbers: list[str] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.numbers.append(number.get())

    def take(self) -> list[str]:
        """What was told since it was asked last, in short."""
        told = [
            " ".join(
                str(part)
                for part in (one.policy, one.action, one.status, one.method, one.route, one.bound)
                if part is not None
            )
            for one in self.events
        ]
        assert set(self.numbers) <= {"7"}, "called in another context than the request's"
        for one in self.events:
            has = {name for name in FIELDS if getattr(one, name) is not None}
            assert has <= DOCUMENTED[one.policy, one.action], one
        self.events.clear()
        self.numbers.clear()
        return told


async def fine(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text="fine")


async def slow(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def fails(request: web.Request) -> web.Response:
    raise LookupError("gone")


async def stalls(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun")
    await asyncio.Event().wait()
    return response


def application(seen: Seen, *entries: Policy, handler: Handler = fine) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/items/{id}", handler)
    setup(app, *entries, outside=[numbered], observers=[seen], drain=0)
    return app


NUMBER = {"X-Number": "7"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
EVIL = {"Origin": "https://evil.example"}
ASKS = {"Access-Control-Request-Method": "PUT"}

Policies = tuple[Policy, ...]

# Policies, handler, request, status on the wire, and what is told.
ACTS: dict[str, tuple[Policies, Handler, str, dict[str, str], int, list[str]]] = {
    "nothing": (
        (cors(PAGE), csrf(), errors(), timeout(5), shield),
        fine,
        "POST",
        {"Origin": PAGE, "Sec-Fetch-Site": "same-origin"},
        200,
        [],
    ),
    "csrf": (
        (csrf(),),
        fine,
        "POST",
        CROSS_SITE,
        403,
        ["csrf refused 403 POST /items/{id}"],
    ),
    "csrf, answered": (
        (csrf(), errors(problem_details)),
        fine,
        "POST",
        CROSS_SITE,
        403,
        ["csrf refused 403 POST /items/{id}", "errors answered 403 POST /items/{id}"],
    ),
    "csrf, report only": (
        (csrf(report_only=True),),
        fine,
        "POST",
        CROSS_SITE,
        200,
        ["csrf would refuse 403 POST /items/{id}"],
    ),
    "hosts": ((hosts("a.example"),), fine, "GET", {}, 421, ["hosts refused 421 GET /items/{id}"]),
    "hosts, report only": (
        (hosts("a.example", report_only=True),),
        fine,
        "GET",
        {},
        200,
        ["hosts would refuse 421 GET /items/{id}"],
    ),
    "https": (
        (https(redirect=True),),
        fine,
        "GET",
        {},
        308,
        ["https redirected 308 GET /items/{id}"],
    ),
    "https, refused": (
        (https(redirect=True),),
        fine,
        "POST",
        {},
        403,
        ["https refused 403 POST /items/{id}"],
    ),
    "an origin": ((cors(PAGE),), fine, "GET", EVIL, 200, ["cors refused GET /items/{id}"]),
    "an own origin": ((cors(PAGE),), fine, "GET", {}, 200, []),
    "a preflight, granted": (
        (cors(PAGE),),
        fine,
        "OPTIONS",
        {"Origin": PAGE, **ASKS},
        204,
        ["cors granted 204 OPTIONS /items/{id}"],
    ),
    "a preflight, refused": (
        (cors(PAGE),),
        fine,
        "OPTIONS",
        {**EVIL, **ASKS},
        403,
        ["cors refused 403 OPTIONS /items/{id}"],
    ),
    "an error": (
        (errors(on={LookupError: 404}),),
        fails,
        "GET",
        {},
        404,
        ["errors answered 404 GET /items/{id}"],
    ),
    "a timeout": (
        (timeout(0.05),),
        slow,
        "GET",
        {},
        504,
        ["timeout expired 504 GET /items/{id} start"],
    ),
    "a timeout, answered": (
        (timeout(None, total=0.05), errors()),
        slow,
        "GET",
        {},
        504,
        ["timeout expired 504 GET /items/{id} total", "errors answered 504 GET /items/{id}"],
    ),
    "a shield's limit": (
        (shield(limit=0.05),),
        slow,
        "GET",
        {},
        504,
        ["shield given up GET /items/{id} limit"],
    ),
    "a body": (
        (body(2),),
        fine,
        "POST",
        {"Content-Length": "0"},
        200,
        [],
    ),
}


@pytest.mark.parametrize("kind", ACTS)
async def test_what_policies_do_is_told_in_the_context_of_the_request(
    aiohttp_client: AiohttpClient, kind: str
) -> None:
    policies, handler, method, headers, status, told = ACTS[kind]
    seen = Seen()
    client = await aiohttp_client(application(seen, *policies, handler=handler))
    for _ in range(3):  # also when answers are kept
        async with client.request(
            method, "/items/7", headers={**NUMBER, **headers}, allow_redirects=False
        ) as response:
            assert response.status == status
        assert seen.take() == told


async def test_a_body_that_is_too_large(aiohttp_client: AiohttpClient) -> None:
    seen = Seen()
    client = await aiohttp_client(application(seen, body(2), errors()))
    async with client.post("/items/7", data=b"too much", headers=NUMBER) as response:
        assert response.status == 413
    assert seen.take() == [
        "body refused 413 POST /items/{id}",
        "errors answered 413 POST /items/{id}",
    ]


async def told_of_a_late_body(server: AiohttpServer, *policies: Policy) -> list[str]:
    """What is told of a client that stops in the middle of its body."""
    seen = Seen()
    running = await server(application(seen, *policies))
    head = "POST /items/7 HTTP/1.1\r\nHost: a\r\nX-Number: 7\r\nContent-Length: 9\r\n\r\nhalf"
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(head.encode())
    async with asyncio.timeout(PATIENCE):
        assert b" 408 " in await reader.readline()
    writer.close()  # or the server would wait for the rest
    return seen.take()


async def test_a_body_that_is_late(aiohttp_server: AiohttpServer) -> None:
    assert await told_of_a_late_body(aiohttp_server, body(idle=0.05)) == [
        "body expired 408 POST /items/{id} idle"
    ]
    assert await told_of_a_late_body(aiohttp_server, timeout(0.05), errors()) == [
        "timeout expired 408 POST /items/{id} start",
        "errors answered 408 POST /items/{id}",
    ]


async def test_limits(aiohttp_client: AiohttpClient) -> None:
    seen = Seen()
    client = await aiohttp_client(application(seen, rate_limit("1/hour")))
    for status, told in ((200, []), (429, ["rate_limit refused 429 GET /items/{id}"])):
        async with client.get("/items/7", headers=NUMBER) as response:
            assert response.status == status
        assert seen.take() == told
    client = await aiohttp_client(application(seen, rate_limit("1/hour", report_only=True)))
    for told in ([], ["rate_limit would refuse 429 GET /items/{id}"]):
        async with client.get("/items/7", headers=NUMBER) as response:
            assert response.status == 200
        assert seen.take() == told


async def test_a_full_house(aiohttp_client: AiohttpClient) -> None:
    seen = Seen()
    entered, leave = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.Response:
        entered.set()
        await leave.wait()
        return web.Response()

    client = await aiohttp_client(application(seen, concurrency_limit(1), handler=waits))
    first = asyncio.create_task(client.get("/items/1", headers=NUMBER))
    async with asyncio.timeout(PATIENCE):
        await entered.wait()
        async with client.get("/items/7", headers=NUMBER) as response:
            assert response.status == 503
        assert seen.take() == ["concurrency_limit refused 503 GET /items/{id}"]
        leave.set()
        (await first).close()


async def test_a_stream_that_is_cut(aiohttp_server: AiohttpServer) -> None:
    seen = Seen()
    server = await aiohttp_server(
        application(seen, timeout(5, idle=0.05), errors(), handler=stalls)
    )
    reply = read_reply(await talk(get("/items/7", "X-Number: 7"), port=server.port))
    assert not reply.complete
    # Nothing could be answered, so there is no status, and errors has answered nothing.
    assert seen.take() == ["timeout expired GET /items/{id} idle"]


@asynccontextmanager
async def left(server_port: int | None, path: str, begun: asyncio.Event) -> AsyncIterator[None]:
    """A request whose client hangs up once its handler has begun."""
    _, writer = await asyncio.open_connection("127.0.0.1", server_port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Number: 7\r\n\r\n".encode())
    await soon(begun)
    writer.transport.abort()
    yield


@pytest.mark.parametrize("cancels", [False, True], ids=["", "handler_cancellation"])
@pytest.mark.parametrize("outcome", ["returns", "fails"])
async def test_a_client_that_leaves_shielded_work(outcome: str, cancels: bool) -> None:
    seen = Seen()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(request: web.Request) -> web.Response:
        begun.set()
        await until(lambda: request.transport is None)
        go_on.set()
        if outcome == "fails":
            raise LookupError
        return web.Response()

    app = application(seen, shield, handler=work)
    async with (
        serving(app, handler_cancellation=cancels) as server,
        left(server.port, "/items/7", begun),
    ):
        await soon(go_on)
        await until(lambda: len(seen.events) == (1 if outcome == "returns" else 2))
    told = ["shield left GET /items/{id}"]
    told += ["shield failed GET /items/{id}"] if outcome == "fails" else []
    assert seen.take() == told


async def test_what_the_shutdown_gives_up_and_ends(aiohttp_server: AiohttpServer) -> None:
    seen = Seen()
    begun: list[str] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        begun.append("stream")
        await asyncio.Event().wait()
        return response

    async def stubborn(request: web.Request) -> web.Response:
        begun.append("work")
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/stream", until_shutdown()(stream))
    app.router.add_get("/work", shield(stubborn))
    setup(app, outside=[numbered], observers=[seen], drain=0.1)
    server = await aiohttp_server(app, shutdown_timeout=1.0)
    async with ClientSession(server.make_url("/")) as session:
        waiting = [
            asyncio.create_task(session.get(path, headers=NUMBER)) for path in ("/stream", "/work")
        ]
        await until(lambda: len(begun) == 2)
        await server.close()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert sorted(seen.take()) == [
        "shield given up GET /work",
        "until_shutdown ended GET /stream",
    ]


async def test_an_event_says_where_the_policy_stands_and_what_was_raised(
    aiohttp_client: AiohttpClient,
) -> None:
    seen = Seen()
    app = web.Application()
    app.router.add_get("/a", exempt(timeout)(fails))
    app.router.add_get("/b", timeout(0.05)(slow))
    setup(app, rule("/a", errors(on={LookupError: 410})), timeout(9), observers=[seen])
    client = await aiohttp_client(app)
    async with client.get("/a") as response:
        assert response.status == 410
    async with client.get("/b") as response:
        assert response.status == 504
    answered, expired = seen.events
    assert (answered.place, type(answered.error)) == ('rule 1 "/a"', LookupError)
    assert (expired.place, expired.seconds, expired.bound) == ("decorator", 0.05, "start")
    assert isinstance(expired.error, TimeoutError)
    assert answered.request.path == "/a"


async def test_an_observer_that_raises_disturbs_nobody(
    aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    def broken(event: Event) -> None:
        raise RuntimeError("no disk")

    app = web.Application()
    app.router.add_get("/", timeout(0.05)(slow))
    setup(app, errors(problem_details), observers=[broken, seen])
    client = await aiohttp_client(app)
    for _ in range(3):
        async with client.get("/") as response:
            assert response.status == 504
    assert len(seen.events) == 6
    assert [one.name for one in caplog.records].count("routeguard") == 1


async def test_one_that_answers_by_raising_has_answered(aiohttp_client: AiohttpClient) -> None:
    async def gone(request: web.Request) -> web.Response:
        raise web.HTTPGone

    async def again(request: web.Request, error: Exception) -> web.Response:
        raise error

    seen = Seen()
    app = web.Application()
    app.router.add_get("/gone", errors(gone)(fails))
    app.router.add_get("/again", errors(again)(fails))
    setup(app, observers=[seen])
    client = await aiohttp_client(app)
    async with client.get("/gone") as response:
        assert response.status == 410
    async with client.get("/again") as response:
        assert response.status == 500
    assert [(one.action, one.status) for one in seen.events] == [("answered", 410)]


async def test_observers_of_mounted_applications_are_told_too(
    aiohttp_client: AiohttpClient,
) -> None:
    outer, inner = Seen(), Seen()
    sub, root = web.Application(), web.Application()
    sub.router.add_post("/pay", fine)
    root.router.add_post("/pay", fine)
    setup(sub, observers=[inner])
    setup(root, csrf(), observers=[outer])
    root.add_subapp("/sub", sub)
    client = await aiohttp_client(root)
    for path in ("/sub/pay", "/pay"):
        async with client.post(path, headers=CROSS_SITE) as response:
            assert response.status == 403
    assert [one.route for one in outer.events] == ["/sub/pay", "/pay"]
    assert [one.route for one in inner.events] == ["/sub/pay"]


@dataclass(frozen=True, slots=True)
class daily(Policy):  # noqa: N801  # it reads as a decorator
    """A kind of an application's own, which tells what it does."""

    requests: int

    def bind(self, place: Place) -> "Counting":
        return Counting(self.requests, place)


class Counting:
    """One `daily` in one run of the application."""

    def __init__(self, left: int, place: Place) -> None:
        self._left = left
        self._place = place

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._left -= 1
        if self._left < 0:
            refusal = web.HTTPTooManyRequests()
            self._place.tell(request, "daily", "refused", status=refusal.status, error=refusal)
            raise refusal
        return await handler(request)


async def test_a_kind_of_the_applications_own_tells_what_it_does(
    aiohttp_client: AiohttpClient,
) -> None:
    seen = Seen()
    client = await aiohttp_client(application(seen, daily(1)))
    for status, told in ((200, []), (429, ["daily refused 429 GET /items/{id}"])):
        async with client.get("/items/7", headers=NUMBER) as response:
            assert response.status == status
        place = [one.place for one in seen.events]
        assert place == ["fallback"] * len(told)
        assert seen.take() == told


@pytest.mark.parametrize(("policy", "action"), DOCUMENTED)
def test_every_documented_event_is_provoked_here(policy: str, action: str) -> None:
    tests = Path(__file__).parent.rglob("test_*.py")
    limits = Path(__file__).parents[1] / "concurrency_limit" / "test_concurrency_limit.py"
    texts = [one.read_text(encoding="utf-8") for one in (*tests, limits)]
    if action == "would refuse" or (policy, action) == ("concurrency_limit", "left"):
        assert any(policy in text and f'"{action}"' in text for text in texts)
    else:
        assert any(f'"{policy} {action} ' in text for text in texts)
