"""A kind of policy of one's own is one like any other."""

import asyncio
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import ConfigError, Policy, cors, errors, exempt, explain, rule, timeout, use
from tests.support.seen import PAGE, Client, answer, label


@dataclass(frozen=True, slots=True)
class limit(Policy):  # noqa: N801  # it reads as a decorator
    """So many requests at a time, and no more."""

    running: int
    _inside: list[int] = field(default_factory=lambda: [0], compare=False, repr=False)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._inside[0] >= self.running:
            raise web.HTTPTooManyRequests
        self._inside[0] += 1
        try:
            return await handler(request)
        finally:
            self._inside[0] -= 1


class Gate:
    """A handler that waits until all who are let in have come."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)

    async def __call__(self, request: web.Request) -> web.Response:
        self.arrived.release()
        await self.opened.wait()
        return web.Response()


async def served_at_once(client: Client, gate: Gate, path: str, letting: int) -> list[int]:
    """The statuses of five requests, of which as many as are let in wait for each other."""
    gate.opened.clear()

    async def ask() -> int:
        async with client.get(path) as response:
            return response.status

    asking = [asyncio.create_task(ask()) for _ in range(5)]
    waiting = set(asking)
    async with asyncio.timeout(30):
        for _ in range(letting):
            await gate.arrived.acquire()
        while len(waiting) > letting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    gate.opened.set()
    return sorted(await asyncio.gather(*asking))


async def test_a_limit_on_concurrency_by_decorator_rule_and_fallback(
    aiohttp_client: AiohttpClient,
) -> None:
    gate = Gate()

    async def wait(request: web.Request) -> web.Response:
        return await gate(request)

    app = web.Application()
    app.router.add_get("/decorated", limit(1)(wait))
    app.router.add_get("/ruled/{x}", wait)
    app.router.add_get("/ruled/decorated", limit(4)(wait))
    app.router.add_get("/plain", wait)
    app.router.add_get("/free", exempt(limit)(wait))
    routeguard.setup(app, rule("/ruled/*", limit(2)), limit(3))
    expected = {
        "/decorated": 1, "/ruled/a": 2, "/ruled/decorated": 4, "/plain": 3, "/free": 5,
    }  # fmt: skip
    for path, running in expected.items():
        policy = explain(app, "GET", path).policy(limit)
        assert policy == (limit(running) if running < 5 else None)
    client = await aiohttp_client(app)
    for path, running in expected.items():
        statuses = await served_at_once(client, gate, path, running)
        assert statuses == [200] * running + [429] * (5 - running)


async def test_what_it_refuses_is_answered_by_errors_and_carries_cors(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/x", limit(0)(answer))
    routeguard.setup(app, cors(PAGE), errors())
    client = await aiohttp_client(app)
    async with client.get("/x", headers={"Origin": PAGE}) as response:
        assert (response.status, await response.json()) == (429, {"detail": "Too Many Requests"})
        assert response.headers["Access-Control-Allow-Origin"] == PAGE


def test_explain_has_a_line_for_it() -> None:
    app = web.Application()
    app.router.add_get("/x", limit(1)(answer))
    app.router.add_get("/none", exempt(limit)(answer))
    routeguard.setup(app, rule("/x", limit(2)), limit(3))
    told = explain(app, "GET", "/x")
    entry = told["limit"]
    assert entry == told[limit] == told[limit(9)]
    assert entry.policies == (limit(1),)
    assert [(one.policy, one.place, one.verdict) for one in entry.considered] == [
        (limit(1), "decorator", "applies"),
        (limit(2), 'rule 1 "/x"', "decorator is nearer"),
        (limit(3), "fallback", "decorator is nearer"),
    ]
    lines = [line.split() for line in str(told).splitlines()]
    assert ["limit", "limit(running=1)", "(decorator)"] in lines
    assert "none: exempt(limit)  (decorator)" in str(explain(app, "GET", "/none"))


def test_an_explanation_of_a_kind_that_nobody_states() -> None:
    app = web.Application()
    app.router.add_get("/x", answer)
    routeguard.setup(app)
    with pytest.raises(KeyError, match="limit"):
        explain(app, "GET", "/x")[limit]
    assert explain(app, "GET", "/x").policy(timeout) is None


def test_it_cannot_be_stated_twice_and_is_named_when_misused() -> None:
    with pytest.raises(ConfigError, match="limit is stated twice, by limit"):
        rule("/x", limit(1), limit(2))
    with pytest.raises(ConfigError, match=r"limit is a kind of policy.*write limit\(\.\.\.\)"):
        rule("/x", limit)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"write exempt\(limit\)"):
        exempt(limit(1))


@dataclass(frozen=True, slots=True)
class strict(label):  # noqa: N801
    """A special case of a kind belongs to the kind."""


@dataclass(frozen=True, slots=True)
class shorter(timeout):  # noqa: N801
    """A special case of a kind of the library."""

    def __init__(self) -> None:
        timeout.__init__(self, 7)


async def test_a_subclass_belongs_to_the_kind_that_it_is_derived_from(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/x", strict("nearer")(answer))
    app.router.add_get("/y", exempt(strict)(answer))
    app.router.add_get("/z", shorter()(answer))
    routeguard.setup(app, label("farther"), timeout(9))
    assert explain(app, "GET", "/x").policy("label") == strict("nearer")
    client = await aiohttp_client(app)
    for path, text, seconds in (("/x", "nearer", 9), ("/y", None, 9), ("/z", "farther", 7)):
        async with client.get(path) as response:
            assert (path, response.headers.get("X-Label")) == (path, text)
            assert (await response.json())["timeout"] == seconds
    with pytest.raises(ConfigError, match="label is stated twice"):
        rule("/x", label("a"), strict("b"))


@dataclass(frozen=True, slots=True)
class tagged(Policy):  # noqa: N801
    """A kind that adds up, as `use` does."""

    adds_up = True

    name: str

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Tags"] = f"{self.name} {response.headers.get('X-Tags', '')}".strip()
        return response


async def test_a_kind_that_adds_up(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/all", tagged("d")(tagged("e")(answer)))
    app.router.add_get("/one", exempt(tagged("a"))(tagged("d")(answer)))
    app.router.add_get("/none", exempt(tagged)(answer))
    routeguard.setup(app, rule("/all", tagged("b")), rule("/*", tagged("c")), tagged("a"))
    expected = {"/all": "a b c d e", "/one": "c d", "/none": None}
    for path, tags in expected.items():
        policies = explain(app, "GET", path)["tagged"].policies
        assert policies == tuple(map(tagged, (tags or "").split()))
    client = await aiohttp_client(app)
    for path, tags in expected.items():
        async with client.get(path) as response:
            assert (path, response.headers.get("X-Tags")) == (path, tags)


@dataclass(slots=True)
class loose(Policy):  # noqa: N801
    """A kind without a hash, written in a hurry."""

    text: str

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Loose"] = self.text
        return response


async def test_a_kind_without_a_hash_serves_as_well(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/x", loose("a")(answer))
    app.router.add_get("/y", answer)
    routeguard.setup(app, rule("/y", loose("b")), loose("c"))
    client = await aiohttp_client(app)
    for path, text in (("/x", "a"), ("/y", "b")):
        assert explain(app, "GET", path).policy("loose") == loose(text)
        async with client.get(path) as response:
            assert response.headers["X-Loose"] == text


async def test_a_policy_that_does_not_override_handle_changes_nothing(
    aiohttp_client: AiohttpClient,
) -> None:
    class marked(Policy):  # noqa: N801
        __slots__ = ()

    app = web.Application()
    app.router.add_get("/x", marked()(answer))
    routeguard.setup(app, use_nothing())
    client = await aiohttp_client(app)
    async with client.get("/x") as response:
        assert response.status == 200


def use_nothing() -> use:
    async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    return use(through)
