"""What a policy does to the handler that it decorates: nothing."""

import copy
import functools
import gc
import inspect
import operator
import pickle
from collections.abc import Awaitable, Callable

import pytest
import wrapt
from aiohttp import web

import routeguard
from routeguard import ConfigError, cors, errors, shield, timeout


async def plain(request: web.Request, /, *, option: int = 1) -> web.Response:
    """Answers."""
    return web.Response(text=str(option))


decorated = timeout(5)(shield(errors()(plain)))


@timeout(1)
async def module_level(request: web.Request) -> web.Response:
    """Stands in the module under its own name."""
    return web.Response()


class Held:
    @timeout(1)
    async def method(self, request: web.Request) -> web.Response:
        return web.Response()


def test_the_function_is_not_touched() -> None:
    async def fresh(request: web.Request) -> web.Response:
        return web.Response()

    before, names = dict(vars(fresh)), set(dir(fresh))
    code, references = fresh.__code__, len(gc.get_referrers(fresh))
    timeout(5)(cors("*")(fresh))
    assert (vars(fresh), set(dir(fresh)), fresh.__code__) == (before, names, code)
    assert len(gc.get_referrers(fresh)) == references  # no registry remembers it
    assert not vars(plain)


def test_a_decorated_handler_looks_like_the_handler() -> None:
    assert inspect.iscoroutinefunction(decorated)
    assert inspect.isfunction(decorated)
    assert not inspect.isclass(decorated)
    assert isinstance(decorated, type(plain))
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        assert getattr(decorated, name) == getattr(plain, name)
    assert inspect.signature(decorated) == inspect.signature(plain)
    assert inspect.getsource(decorated) == inspect.getsource(plain)
    assert inspect.unwrap(decorated) is plain
    assert inspect.getdoc(decorated) == "Answers."


async def test_a_decorated_handler_is_called_as_the_handler_is() -> None:
    response = await decorated(None, option=7)  # type: ignore[arg-type]
    assert response.text == "7"
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        await decorated(None, other=1)  # type: ignore[arg-type, call-arg]


def test_several_decorators_make_one_layer() -> None:
    layer = timeout(5)(shield(errors()(plain)))
    assert isinstance(layer, wrapt.CallableObjectProxy)
    assert layer.__wrapped__ is plain


def test_decorating_again_does_not_change_what_was_decorated_before() -> None:
    app = web.Application()
    first = timeout(5)(plain)
    second = timeout(1)(first)
    app.router.add_get("/first", first)
    app.router.add_get("/second", second)
    routeguard.setup(app)
    assert routeguard.explain(app, "GET", "/first").policy(timeout) == timeout(5)
    assert routeguard.explain(app, "GET", "/second").policy(timeout) == timeout(1)


def test_decorated_handlers_are_compared_by_identity() -> None:
    one, other = timeout(5)(plain), timeout(1)(plain)
    assert one == one and one != other and one != plain
    assert not operator.ne(one, one) and not operator.eq(one, other)
    assert not operator.eq(one, plain) and not operator.eq(plain, one)
    assert len({one, other, plain}) == 3
    assert {one: 1}[one] == 1


def test_a_function_of_a_module_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert pickle.loads(pickle.dumps(Held.method)) is Held.method


def test_a_decorated_handler_under_another_name_is_pickled_with_its_policies() -> None:
    app = web.Application()
    app.router.add_get("/x", pickle.loads(pickle.dumps(timeout(7)(plain))))
    routeguard.setup(app)
    assert routeguard.explain(app, "GET", "/x").policy("timeout") == timeout(7)


def test_a_decorated_handler_can_be_copied() -> None:
    for again in (copy.copy(decorated), copy.deepcopy(decorated)):
        app = web.Application()
        app.router.add_get("/x", again)
        routeguard.setup(app)
        assert routeguard.explain(app, "GET", "/x").policy("timeout") == timeout(5)


def test_methods_bind_as_ever() -> None:
    held = Held()
    assert held.method.__self__ is held  # type: ignore[attr-defined]
    assert inspect.ismethod(held.method)
    assert inspect.iscoroutinefunction(held.method)
    assert inspect.isfunction(Held.method)
    assert Held.method is Held.__dict__["method"]


def test_a_view_class_is_returned_itself_and_its_base_left_alone() -> None:
    class Base(web.View):
        async def get(self) -> web.Response:
            return web.Response()

    class Page(Base):
        pass

    assert timeout(5)(Page) is Page
    assert issubclass(Page, Base)
    app = web.Application()
    app.router.add_view("/base", Base)
    app.router.add_view("/page", Page)
    routeguard.setup(app)
    assert routeguard.explain(app, "GET", "/base").policy("timeout") is None
    assert routeguard.explain(app, "GET", "/page").policy("timeout") == timeout(5)


def test_a_method_of_a_view_is_bound_without_a_layer() -> None:
    class Page(web.View):
        @timeout(5)
        async def get(self) -> web.Response:
            return web.Response()

    page = Page.__new__(Page)
    assert inspect.ismethod(page.get)
    assert not isinstance(page.get, wrapt.CallableObjectProxy)


NO_HANDLERS: list[object] = [
    5,
    None,
    "handler",
    object(),
    int,
    type("NoView", (), {}),
    property(lambda self: plain),
    functools.partialmethod(plain),
    timeout(5),
    shield,
]


@pytest.mark.parametrize("thing", NO_HANDLERS, ids=str)
def test_what_handles_no_requests_cannot_be_decorated(thing: object) -> None:
    policy: Callable[[object], object] = timeout(1)  # type: ignore[assignment]
    with pytest.raises(ConfigError, match=r"timeout\(1\) decorates .*decorate a handler function"):
        policy(thing)


def test_shield_takes_a_handler_or_options() -> None:
    with pytest.raises(ConfigError, match=r"write @shield\(limit=30\) above it"):
        shield(plain, limit=5)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="options already"):
        shield(limit=5)(limit=6)


def test_nothing_keeps_a_handler_alive_that_was_decorated() -> None:
    def make() -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            return web.Response()

        return timeout(5)(handler)

    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        make()
    gc.collect()
    assert len(gc.get_objects()) - before < 100
