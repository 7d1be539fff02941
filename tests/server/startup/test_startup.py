"""What start-up and `setup` find: decorators that are misused, applications that are not ready."""

import functools
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import ConfigError, Policy, cors, csrf, errors, exempt, rule, timeout, use
from tests.server.startup.starting import start
from tests.support.seen import answer, label

bare = pytest.mark.filterwarnings("ignore:Bare functions are deprecated:DeprecationWarning")


# --- a policy in a handler's place ----------------------------------------------------------------


class Handlers:
    """Where decorators that take one argument of two are written without their parentheses."""

    @errors  # type: ignore[arg-type]
    async def with_errors(self, request: web.Request) -> web.Response:
        return await answer(request)

    @use  # type: ignore[arg-type]
    async def with_use(self, request: web.Request) -> web.Response:
        return await answer(request)


class BareMethod(web.View):
    async def get(self) -> web.Response:
        return await answer(self.request)

    @errors  # type: ignore[arg-type]
    async def post(self) -> web.Response:
        return await answer(self.request)


@bare
@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (errors(answer), "errors"),
        (cors(answer), "cors"),  # type: ignore[arg-type]
        (label(answer), "label"),  # type: ignore[arg-type]
        (Handlers().with_errors, "errors"),
        (Handlers().with_use, "use"),
        (functools.partial(cors(answer)), "cors"),  # type: ignore[arg-type]
        (timeout(5), "timeout"),
    ],
    ids=["errors", "cors", "own kind", "method", "use on a method", "partial", "value"],
)
async def test_a_policy_in_the_place_of_a_handler_stops_the_start(
    handler: Policy, name: str
) -> None:
    app = web.Application()
    app.router.add_get("/fine", timeout(1)(answer))
    app.router.add_get("/orders/{id}", handler)  # type: ignore[arg-type]
    routeguard.setup(app)
    with pytest.raises(ConfigError) as raised:
        await start(app)
    assert len(raised.value.faults) == 1
    assert "GET,HEAD /orders/{id}" in str(raised.value)
    assert f"write @{name}(...)" in str(raised.value)
    assert "/fine" not in str(raised.value)


async def test_a_policy_in_the_place_of_a_view_method_stops_the_start() -> None:
    app = web.Application()
    app.router.add_view("/view", BareMethod)
    routeguard.setup(app)
    with pytest.raises(ConfigError, match=r"\* /view: its method post.*write @errors\(\.\.\.\)"):
        await start(app)


@bare
async def test_all_misuses_are_told_together_with_their_mount_points() -> None:
    inner, site = web.Application(), web.Application()
    inner.router.add_post("/x", errors(answer))  # type: ignore[arg-type]
    site.add_subapp("/inner", inner)
    site.router.add_view("/view", BareMethod)
    routeguard.setup(site)
    with pytest.raises(ConfigError) as raised:
        await start(site)
    assert len(raised.value.faults) == 2
    assert any("POST /inner/x" in fault for fault in raised.value.faults)
    assert any("* /view" in fault for fault in raised.value.faults)


@pytest.mark.parametrize(
    ("decorator", "remedy"),
    [
        (timeout, "write @timeout(5)"),
        (csrf, "write @csrf()"),
        (routeguard.https, "write @https()"),
        (use, "use(audit)"),
        (exempt, "write @exempt(timeout) above"),
    ],
    ids=["timeout", "csrf", "https", "use", "exempt"],
)
def test_what_cannot_be_built_from_a_handler_is_refused_where_it_is_written(
    decorator: Callable[[Callable[[web.Request], Awaitable[web.Response]]], object], remedy: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        decorator(answer)
    assert remedy in str(raised.value)


@pytest.mark.parametrize("decorator", [errors, cors, timeout, csrf, routeguard.https, use, exempt])
def test_on_a_view_class_too(decorator: Callable[[type[web.View]], object]) -> None:
    class Page(web.View):
        pass

    with pytest.raises(ConfigError):
        decorator(Page)


def test_shield_needs_no_parentheses() -> None:
    app = web.Application()
    app.router.add_get("/bare", routeguard.shield(answer))
    app.router.add_get("/empty", routeguard.shield()(answer))
    routeguard.setup(app)
    for path in ("/bare", "/empty"):
        assert routeguard.explain(app, "GET", path).policy("shield") == routeguard.shield


# --- setup ----------------------------------------------------------------------------------------


def test_setup_twice() -> None:
    app = web.Application()
    routeguard.setup(app, timeout(1))
    with pytest.raises(ConfigError, match="set up already"):
        routeguard.setup(app, timeout(2))


async def test_setup_after_the_application_is_served_or_mounted() -> None:
    mounted, site = web.Application(), web.Application()
    site.add_subapp("/x", mounted)
    with pytest.raises(ConfigError, match="mounted already: call setup before"):
        routeguard.setup(mounted)
    routeguard.setup(site)
    served = web.Application()
    runner = web.AppRunner(served)
    await runner.setup()
    with pytest.raises(ConfigError, match="served or mounted already"):
        routeguard.setup(served)
    await runner.cleanup()


async def test_routes_and_middlewares_may_come_after_setup(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    routeguard.setup(app, rule("/late", timeout(7)))
    app.router.add_get("/late", answer)
    client = await aiohttp_client(app)
    async with client.get("/late") as response:
        assert (await response.json())["timeout"] == 7
