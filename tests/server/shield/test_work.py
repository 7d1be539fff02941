"""`shield` on a real server: work that outlives its client, and what is said of it."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest
from aiohttp import web

from routeguard import (
    HandlerTimeout,
    Policy,
    errors,
    exempt,
    rule,
    setup,
    shield,
    shielded_count,
    timeout,
)
from tests.support.jobs import Job, abandoned
from tests.support.messages import request
from tests.support.serving import serving, soon, until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = 0.1


def app_of(handler: Handler, *policies: Policy, method: str = "*") -> web.Application:
    app = web.Application()
    app.router.add_route(method, "/", handler)
    setup(app, *policies, drain=0)
    return app


async def test_shielded_work_outlives_its_client() -> None:
    job = Job()
    app = app_of(job.run, shield)
    async with serving(app, handler_cancellation=True) as server:
        await abandoned(server, job)
        await asyncio.sleep(SHORT)
        gc.collect()  # the application holds the work, not the connection
        assert shielded_count(app) == 1
        assert not job.cancelled.is_set()
        job.gate.set()
        await soon(job.ended)
        await until(lambda: shielded_count(app) == 0)


async def test_work_without_a_shield_does_not() -> None:
    job = Job()
    async with serving(app_of(job.run), handler_cancellation=True) as server:
        await abandoned(server, job)
        await soon(job.cancelled)


@pytest.mark.parametrize("cancellation", [False, True], ids=["", "handler_cancellation"])
async def test_clients_that_hang_up_at_once_lose_nothing(cancellation: bool) -> None:
    done = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal done
        await asyncio.sleep(0)
        assert (await request.read()) == b"x"
        done += 1
        return web.Response()

    app = app_of(handler, shield)
    async with serving(app, handler_cancellation=cancellation) as server:
        for _ in range(200):
            client = (await server.dial()).post("/", b"x")
            client.hang_up()
        await until(lambda: done == 200)
        await until(lambda: shielded_count(app) == 0)


async def test_all_kinds_of_handlers_can_be_shielded() -> None:
    counts: list[int] = []

    async def function(request: web.Request) -> web.Response:
        counts.append(shielded_count(app))
        return web.Response()

    class View(web.View):
        async def get(self) -> web.Response:
            return await function(self.request)

    class MethodView(web.View):
        @shield
        async def get(self) -> web.Response:
            return await function(self.request)

    class Api:
        async def method(self, request: web.Request) -> web.Response:
            return await function(request)

    handlers: list[Handler] = [
        shield(function),
        shield(limit=50)(function),
        shield(View),
        MethodView,
        shield(Api().method),
    ]
    app = web.Application()
    for i, handler in enumerate(handlers):
        app.router.add_get(f"/{i}", handler)
    app.router.add_get("/rule", View)
    setup(app, rule("/rule", shield))
    async with serving(app) as server:
        client = await server.dial()
        for path in [*map(str, range(len(handlers))), "rule"]:
            assert (await client.get(f"/{path}").answer()).status == 200
    assert counts == [1] * (len(handlers) + 1)


async def test_methods_decide_what_is_shielded() -> None:
    counts: dict[str, int] = {}

    async def handler(request: web.Request) -> web.Response:
        counts[request.method] = shielded_count(app)
        return web.Response()

    app = app_of(handler, shield(methods=["post", "Put"]))
    async with serving(app) as server:
        client = await server.dial()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            await client.send(request(method, "/")).answer()
    assert counts == {"GET": 0, "POST": 1, "PUT": 1, "PATCH": 0, "DELETE": 0}


async def test_the_nearest_statement_wins_whole() -> None:
    counts: dict[str, int] = {}

    async def handler(request: web.Request) -> web.Response:
        counts[f"{request.method} {request.path}"] = shielded_count(app)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/get", shield(methods="GET")(handler))
    app.router.add_route("*", "/none", exempt(shield)(handler))
    app.router.add_route("*", "/all", handler)
    setup(app, shield)
    async with serving(app) as server:
        client = await server.dial()
        for method in ("GET", "POST"):
            for path in ("/get", "/none", "/all"):
                await client.send(request(method, path)).answer()
    shielded = {what for what, count in counts.items() if count}
    assert shielded == {"GET /get", "GET /all", "POST /all"}


async def test_a_timeout_answers_on_time_and_the_work_goes_on() -> None:
    job = Job()
    app = app_of(job.run, shield, timeout(SHORT), errors())
    async with serving(app) as server:
        client = await server.dial()
        assert (await client.get("/").answer()).status == 504
        assert shielded_count(app) == 1
        job.gate.set()
        await soon(job.ended)
        await until(lambda: shielded_count(app) == 0)
    assert not job.cancelled.is_set()


@pytest.mark.parametrize(
    "policies",
    [
        [shield(limit=SHORT)],
        [shield(limit=SHORT), timeout(50)],
        [shield(limit=SHORT, methods="GET")],
    ],
    ids=str,
)
async def test_a_client_that_waits_is_told_of_the_limit(policies: list[Policy]) -> None:
    told: list[Exception] = []
    job = Job()

    async def answer(request: web.Request, error: Exception) -> web.Response:
        told.append(error)
        return web.Response(status=503)

    async with serving(app_of(job.run, *policies, errors(answer))) as server:
        assert (await (await server.dial()).get("/").answer()).status == 503
    assert job.cancelled.is_set()
    [error] = told
    assert isinstance(error, HandlerTimeout)
    assert (error.bound, error.seconds) == ("limit", SHORT)


async def test_the_limit_counts_from_the_start_of_the_work() -> None:
    """A timeout in between does not start it anew, nor end it."""
    job = Job()
    app = app_of(job.run, shield(limit=2 * SHORT), timeout(SHORT), errors())
    async with serving(app) as server:
        assert (await (await server.dial()).get("/").answer()).status == 504
        assert not job.cancelled.is_set()
        await soon(job.cancelled)
        await until(lambda: shielded_count(app) == 0)


async def test_a_shielded_handler_runs_in_the_context_of_its_request() -> None:
    user: ContextVar[str] = ContextVar("user")
    seen: list[str] = []

    @web.middleware
    async def login(request: web.Request, handler: Handler) -> web.StreamResponse:
        user.set("ada")
        return await handler(request)

    async def handler(request: web.Request) -> web.Response:
        seen.append(user.get())
        return web.Response()

    app = web.Application(middlewares=[login])
    app.add_subapp("/of", app_of(handler, shield))
    async with serving(app) as server:
        assert (await (await server.dial()).get("/of/").answer()).status == 200
    assert seen == ["ada"]


async def test_work_that_cancels_itself_ends_as_it_does_without_a_shield() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise asyncio.CancelledError

    for policies in ([], [shield]):
        app = app_of(handler, *policies, errors())
        async with serving(app) as server:
            with pytest.raises(EOFError):
                await (await server.dial()).get("/").answer()
        assert shielded_count(app) == 0
