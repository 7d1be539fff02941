"""Policies under decorators that keep no `__wrapped__`: found at start-up, at whatever depth."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

import routeguard
from routeguard import (
    ConfigError,
    check,
    cors,
    csrf,
    errors,
    exempt,
    rule,
    shield,
    survey,
    timeout,
    use,
)
from routeguard.policy import Policy, proxied_by
from tests.server.startup.starting import start

Make = Callable[[Callable[..., Any]], Callable[..., Any]]


def plain(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What much real code does."""

    async def inner(*args: object, **kwargs: object) -> object:
        return await handler(*args, **kwargs)

    return inner


def sync(handler: Callable[..., Any]) -> Callable[..., Any]:
    return lambda request: handler(request)


def by_default(handler: Callable[..., Any]) -> Callable[..., Any]:
    async def inner(request: web.Request, call: Callable[..., Any] = handler) -> object:
        return await call(request)

    return inner


def by_keyword_default(handler: Callable[..., Any]) -> Callable[..., Any]:
    async def inner(request: web.Request, *, call: Callable[..., Any] = handler) -> object:
        return await call(request)

    return inner


def by_partial(handler: Callable[..., Any]) -> Callable[..., Any]:
    async def call(inner: Callable[..., Any], request: web.Request) -> object:
        return await inner(request)

    return functools.partial(call, handler)


def by_keyword(handler: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: web.Request, inner: Callable[..., Any]) -> object:
        return await inner(request)

    return functools.partial(call, inner=handler)


class Calls:
    """A decorator that is a class."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        self.handler = handler

    async def __call__(self, request: web.Request) -> object:
        return await self.handler(request)


def helped(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler is in the closure of a function that is in the closure."""

    async def call(request: web.Request) -> object:
        return await handler(request)

    async def inner(request: web.Request) -> object:
        return await call(request)

    return inner


def names_only(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Names are copied, `__wrapped__` is not kept."""
    made = functools.wraps(handler)(plain(handler))
    del made.__wrapped__
    return made


def to_the_function(handler: Callable[..., Any]) -> Callable[..., Any]:
    """`__wrapped__` leads past the policies."""
    made = plain(handler)
    made.__wrapped__ = proxied_by(handler)  # type: ignore[attr-defined]
    return made


HIDING: list[Make] = [
    plain, sync, by_default, by_keyword_default, by_partial, by_keyword, Calls, helped,
    names_only, to_the_function, lambda handler: plain(plain(by_partial(plain(handler)))),
]  # fmt: skip


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


async def audit(request: web.Request, handler: Callable[..., Awaitable[Any]]) -> Any:
    return await handler(request)


def make(handler: Any, *entries: Policy) -> web.Application:
    app = web.Application()
    app.router.add_get("/orders/{id}", handler)
    routeguard.setup(app, *entries)
    return app


async def faults(app: web.Application) -> list[str]:
    """What start-up says; nothing where it passes."""
    try:
        await start(app)
    except ConfigError as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize("hide", HIDING, ids=lambda one: one.__name__)
@pytest.mark.filterwarnings("ignore:Bare functions:DeprecationWarning")
async def test_start_up_names_route_policies_and_remedy(hide: Make) -> None:
    app = make(hide(timeout(5)(csrf()(page))), timeout(30))

    (fault,) = await faults(app)
    assert fault.startswith("GET,HEAD /orders/{id}: ")
    assert f"timeout(5), csrf() on {__name__}.page never applies" in fault
    assert "put @timeout(5), @csrf() above the decorator" in fault and "functools.wraps" in fault


@pytest.mark.parametrize("hide", HIDING, ids=lambda one: one.__name__)
@pytest.mark.filterwarnings("ignore:Bare functions:DeprecationWarning")
async def test_what_the_handler_outside_states_itself_is_not_lost(hide: Make) -> None:
    inner = timeout(5)(csrf()(page))

    assert await faults(make(exempt(csrf)(timeout(1)(hide(inner))))) == []
    (fault,) = await faults(make(timeout(1)(hide(inner))))
    assert f": csrf() on {__name__}.page" in fault
    (fault,) = await faults(make(hide(inner), timeout(1), csrf()))  # fallbacks are farther out
    assert ": timeout(5), csrf() on " in fault


def wrapped(handler: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(handler)(plain(handler))


@pytest.mark.parametrize(
    "handler",
    [
        wrapped(timeout(5)(page)),
        wrapped(wrapped(shield(page))),
        timeout(1)(wrapped(timeout(5)(page))),
        plain(page),
        functools.partial(timeout(5)(page)),
        Calls(page),
    ],
    ids=lambda one: getattr(one, "__qualname__", repr(one)[:20]),
)
@pytest.mark.filterwarnings("ignore:Bare functions:DeprecationWarning")
async def test_what_can_be_looked_through_is_fine(handler: Any) -> None:
    assert await faults(make(handler)) == []


async def test_every_kind_is_found_an_exemption_too() -> None:
    policies = [cors("*"), errors(), use(audit), shield(limit=3), exempt(csrf), timeout(2)]
    for policy in policies:
        (fault,) = await faults(make(plain(policy(page))))
        assert repr(policy) in fault
    stacked = plain(timeout(1)(plain(shield(plain(csrf()(page))))))
    found = [fault.partition(": ")[2] for fault in await faults(make(stacked))]
    assert [fault.partition(" on ")[0] for fault in found] == ["timeout(1)", "shield", "csrf()"]


async def test_methods_of_views_and_of_classes_are_looked_into() -> None:
    @csrf()
    @timeout(30)
    class Orders(web.View):
        @plain
        @timeout(5)
        async def get(self) -> web.Response:
            return await page(self.request)

        @timeout(3)
        @plain
        @timeout(4)
        async def post(self) -> web.Response:
            return await page(self.request)

        @plain
        async def put(self) -> web.Response:
            return await page(self.request)

    class Shop:
        @plain
        @shield
        async def pay(self, request: web.Request) -> web.Response:
            return await page(request)

    app = web.Application()
    app.router.add_view("/orders", Orders)
    app.router.add_post("/pay", Shop().pay)
    routeguard.setup(app)

    # What the class states does not take the place of what its method states.
    orders, pay = await faults(app)
    assert orders.startswith("* /orders: timeout(5) on ") and "Orders.get never applies" in orders
    assert pay.startswith("POST /pay: shield on ") and "Shop.pay never applies" in pay


class Bound:
    """A decorator for methods that is a descriptor."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method

    def __get__(self, instance: object, owner: type) -> Any:
        return functools.partial(self.call, instance)

    async def call(self, instance: object, *args: object) -> object:
        return await self.method(instance, *args)


async def test_descriptors_on_methods_are_looked_into() -> None:
    async def take(self: Any, request: web.Request | None = None, *, amount: int) -> web.Response:
        return web.Response(text=str(amount))

    class Orders(web.View):
        get = functools.partialmethod(timeout(5)(take), amount=1)

        @Bound
        @timeout(4)
        async def put(self) -> web.Response:
            return await page(self.request)

    class Shop:
        def __init__(self) -> None:
            self.own = timeout(3)(self.take)

        @Bound
        @shield
        async def pay(self, request: web.Request) -> web.Response:
            return await page(request)

        async def take(self, request: web.Request) -> web.Response:
            return await page(request)

    app = web.Application()
    app.router.add_view("/orders", Orders)
    app.router.add_post("/pay", Shop().pay)
    app.router.add_post("/own", Shop().own)
    app.router.add_post("/take", Shop().take)  # beside a handler with policies, not around it
    routeguard.setup(app)

    found = [fault.partition(" on ")[0] for fault in await faults(app)]
    assert found == ["* /orders: timeout(5)", "* /orders: timeout(4)", "POST /pay: shield"]


async def test_a_view_below_a_function_is_found() -> None:
    @timeout(5)
    class Orders(web.View):
        @shield
        async def post(self) -> web.Response:
            return await page(self.request)

    async def outside(request: web.Request) -> web.StreamResponse:
        return await Orders(request)

    (fault,) = await faults(make(outside))
    assert "Orders never applies" in fault and "timeout(5)" in fault and "shield" in fault


async def test_every_route_is_named_those_of_mounted_applications_too() -> None:
    inner, app = web.Application(), web.Application()
    hidden = plain(timeout(5)(page))
    inner.router.add_post("/{id}", hidden)
    app.router.add_get("/a", hidden, allow_head=False)
    app.add_subapp("/inner", inner)
    routeguard.setup(app)

    assert [fault.partition(": ")[0] for fault in await faults(app)] == [
        "GET /a",
        "POST /inner/{id}",
    ]


async def test_a_closure_that_is_not_filled_or_leads_in_a_circle_is_no_obstacle() -> None:
    def make_handlers(*, never: bool) -> Any:
        async def first(request: web.Request) -> Any:
            return await second(request)

        async def second(request: web.Request) -> Any:
            return await (first if request.query else unbound)(request)

        if never:
            unbound: Any = page
        return first

    assert await faults(make(make_handlers(never=False))) == []


def test_check_finds_it_before_the_application_starts() -> None:
    (finding,) = check(make(plain(timeout(5)(page))))

    assert (finding.code, finding.severity) == ("RG108", "error")
    assert finding.place.startswith("GET,HEAD /orders/{id}")
    assert f"timeout(5) on {__name__}.page never applies" in finding.message
    assert finding.remedy.startswith("put @timeout(5) above the decorator")


async def test_policies_stated_by_rules_are_no_substitute() -> None:
    app = web.Application()
    app.router.add_get("/x", plain(timeout(5)(page)))
    routeguard.setup(app, rule("/x", timeout(5)))
    assert len(await faults(app)) == 1


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hide", HIDING, ids=lambda one: one.__name__)
@pytest.mark.filterwarnings("ignore:Bare functions:DeprecationWarning")
def test_a_handler_that_a_decorator_made_is_named_after_what_it_wraps(hide: Make) -> None:
    (route,) = survey(make(timeout(1)(hide(page)))).routes
    assert route.handler == f"{__name__}.page"


def test_a_method_is_named_after_itself() -> None:
    class Shop:
        @plain
        @plain
        async def pay(self, request: web.Request) -> web.Response:
            return await page(request)

    (route,) = survey(make(Shop().pay)).routes
    assert route.handler.endswith("<locals>.Shop.pay")


async def render(template: str, context: object) -> str:
    return f"{template}{context}"


def test_a_handler_that_no_decorator_made_keeps_its_name() -> None:
    def make_handlers(draw: Callable[..., Awaitable[str]]) -> list[Any]:
        async def helper(request: web.Request) -> web.Response:
            return await page(request)

        async def index(request: web.Request) -> web.Response:
            return web.Response(text=await draw("index", request))

        async def both(request: web.Request) -> web.Response:
            await helper(request)
            return await index(request)

        async def one(request: web.Request) -> web.Response:
            return await helper(request)

        return [index, both, one]

    for handler in make_handlers(render):
        (route,) = survey(make(handler)).routes
        assert route.handler == f"{handler.__module__}.{handler.__qualname__}"
