"""`timeout` on a real server: what the client gets, and what the handler goes through."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from aiohttp import web

from routeguard import (
    HandlerTimeout,
    Policy,
    default_error_handler,
    errors,
    exempt,
    rule,
    setup,
    timeout,
)
from tests.support.serving import serving, soon

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.05


async def hanging(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


class Hanging(web.View):
    async def get(self) -> web.Response:
        return await hanging(self.request)


class HangingMethod(web.View):
    @timeout(SHORT)
    async def get(self) -> web.Response:
        return await hanging(self.request)

    async def post(self) -> web.Response:
        return web.Response()


class Api:
    async def method(self, request: web.Request) -> web.Response:
        return await hanging(request)


async def hanging_for(name: str, request: web.Request) -> web.Response:
    return await hanging(request)


@pytest.mark.parametrize(
    "handler",
    [
        timeout(SHORT)(hanging),
        timeout(SHORT)(type("Decorated", (Hanging,), {})),
        HangingMethod,
        timeout(SHORT)(Api().method),
        timeout(SHORT)(partial(hanging_for, "somebody")),
        partial(timeout(SHORT)(hanging_for), "somebody"),
        timeout(SHORT)(timeout(1000)(hanging)),
    ],
    ids=["function", "view", "view method", "method", "partial", "in a partial", "outermost wins"],
)
async def test_a_decorated_handler_is_cut_short(handler: Handler) -> None:
    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, timeout(1000))
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 504


@pytest.mark.parametrize(
    "policies",
    [
        [timeout(SHORT)],
        [rule("/*", timeout(SHORT)), timeout(1000)],
        [timeout(1000, total=SHORT)],
        [timeout(None, total=SHORT)],
        [timeout(SHORT, idle=1000, total=1000)],
    ],
    ids=repr,
)
async def test_rules_and_fallbacks_do_the_same(policies: list[Policy]) -> None:
    app = web.Application()
    app.router.add_get("/", hanging)
    setup(app, *policies)
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 504


async def test_an_exempt_handler_may_take_its_time() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(10 * SHORT)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", exempt(timeout)(slow))
    setup(app, timeout(SHORT))
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 200


@pytest.mark.parametrize(
    ("policy", "bound", "seconds"),
    [
        (timeout(SHORT), "start", SHORT),
        (timeout(1000, total=2 * SHORT), "total", 2 * SHORT),
        (timeout(3 * SHORT, total=1000), "start", 3 * SHORT),
    ],
    ids=repr,
)
async def test_the_error_handler_learns_which_bound_was_passed(
    policy: timeout, bound: str, seconds: float
) -> None:
    told: list[Exception] = []

    async def answer(request: web.Request, error: Exception) -> web.Response:
        told.append(error)
        return web.Response(text="sorry", status=503)

    app = web.Application()
    app.router.add_get("/", hanging)
    setup(app, policy, errors(answer))
    async with serving(app) as server:
        client = await server.dial()
        for _ in range(2):  # the connection is kept alive
            answered = await client.get("/").answer()
            assert (answered.status, answered.body) == (503, b"sorry")
    assert [type(error) for error in told] == [HandlerTimeout, HandlerTimeout]
    for error in told:
        assert isinstance(error, HandlerTimeout)
        assert (error.bound, error.seconds, error.status) == (bound, seconds, 504)
        assert isinstance(error.__cause__, asyncio.CancelledError)


async def test_the_ready_error_handler_answers_504() -> None:
    app = web.Application()
    app.router.add_get("/", hanging)
    setup(app, timeout(SHORT), errors(default_error_handler))
    async with serving(app) as server:
        answer = await (await server.dial()).get("/").answer()
    assert answer.status == 504
    assert b"0.05 s" in answer.body


async def test_a_timeout_of_the_handlers_own_is_not_mistaken_for_ours() -> None:
    told: list[Exception] = []

    async def answer(request: web.Request, error: Exception) -> web.Response:
        told.append(error)
        return web.Response(status=502)

    async def upstream(request: web.Request) -> web.Response:
        async with asyncio.timeout(SHORT):
            await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", upstream)
    setup(app, timeout(1000), errors(answer))
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 502
    assert [type(error) for error in told] == [TimeoutError]


async def test_a_handler_that_ignores_its_cancellation_is_not_declared_finished() -> None:
    cancelled, gate = asyncio.Event(), asyncio.Event()

    async def stubborn(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
        await gate.wait()
        return web.Response(text="after all")

    app = web.Application()
    app.router.add_get("/", stubborn)
    setup(app, timeout(SHORT), errors())
    async with serving(app) as server:
        client = (await server.dial()).get("/")
        await soon(cancelled)
        await asyncio.sleep(3 * SHORT)
        gate.set()
        answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"after all")


async def test_the_answer_waits_for_the_handlers_finally_block() -> None:
    order: list[str] = []
    gate, entered = asyncio.Event(), asyncio.Event()

    async def careful(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            entered.set()
            await gate.wait()
            order.append("cleaned up")
        return web.Response()

    async def answer(request: web.Request) -> web.Response:
        order.append("answered")
        return web.Response(status=504)

    app = web.Application()
    app.router.add_get("/", careful)
    setup(app, timeout(SHORT), errors(answer))
    async with serving(app) as server:
        client = (await server.dial()).get("/")
        await soon(entered)
        gate.set()
        assert (await client.answer()).status == 504
    assert order == ["cleaned up", "answered"]
