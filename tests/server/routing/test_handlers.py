"""Every kind of handler that aiohttp takes carries its policies, registered in every way."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import cors, csrf, errors, exempt, timeout
from tests.server.routing.limits import expect, limit, told
from tests.support.seen import answer

H = TypeVar("H", bound=Callable[..., Awaitable[object]])

# aiohttp says this of callable objects and of lambdas, and serves them.
bare = pytest.mark.filterwarnings("ignore:Bare functions are deprecated:DeprecationWarning")


def someone_elses(handler: H) -> H:
    """A decorator of another library: it wraps as `functools.wraps` has it."""

    @functools.wraps(handler)
    async def wrapper(*args: object) -> object:
        return await handler(*args)

    return cast(H, wrapper)


def class_based(handler: Handler) -> Handler:
    """A decorator of another library: it makes an object, by `functools.update_wrapper`."""

    class Wrapper:
        def __init__(self) -> None:
            functools.update_wrapper(self, handler)

        async def __call__(self, request: web.Request) -> web.StreamResponse:
            return await handler(request)

    return Wrapper()


class Shop:
    """Handlers as methods."""

    def __init__(self, name: str) -> None:
        self.name = name

    @timeout(10)
    async def method(self, request: web.Request) -> web.Response:
        assert self.name == "one"
        return await answer(request)

    @timeout(11)
    @staticmethod
    async def static_below(request: web.Request) -> web.Response:
        return await answer(request)

    @staticmethod
    @timeout(12)
    async def static_above(request: web.Request) -> web.Response:
        return await answer(request)

    @classmethod
    @timeout(13)
    async def of_class(cls, request: web.Request) -> web.Response:
        assert cls is SubShop
        return await answer(request)

    async def with_item(self, request: web.Request, item: str) -> web.Response:
        assert (self.name, item) == ("one", "book")
        return await answer(request)

    books = functools.partialmethod(timeout(14)(with_item), item="book")

    @timeout(15)
    async def __call__(self, request: web.Request) -> web.Response:
        return await answer(request)


class SubShop(Shop):
    """Inherits them."""


async def test_functions_methods_and_partials(aiohttp_client: AiohttpClient) -> None:
    shop, decorated = SubShop("one"), timeout(5)(answer)

    async def with_option(request: web.Request, *, option: int) -> web.Response:
        assert option == 1
        return await answer(request)

    handlers: dict[str, tuple[Handler, int]] = {
        "/function": (decorated, 5),
        "/method": (shop.method, 10),
        "/unbound": (functools.partial(Shop.method, shop), 10),
        "/method/decorated": (timeout(20)(shop.method), 20),
        "/static/below": (shop.static_below, 11),
        "/static/above": (SubShop.static_above, 12),
        "/class": (shop.of_class, 13),
        "/partialmethod": (shop.books, 14),
        "/call": (shop.__call__, 15),
        "/partial/inside": (functools.partial(timeout(6)(with_option), option=1), 6),
        "/partial/outside": (timeout(7)(functools.partial(with_option, option=1)), 7),
        "/partial/both": (timeout(8)(functools.partial(timeout(9)(with_option), option=1)), 8),
    }
    app = web.Application()
    for path, (handler, _) in handlers.items():
        assert inspect.iscoroutinefunction(handler), path
        app.router.add_get(path, handler)
    routeguard.setup(app, timeout(100))
    await expect(aiohttp_client, app, {path: seconds for path, (_, seconds) in handlers.items()})


@bare
async def test_callable_objects_and_lambdas(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/object", SubShop("one"))
    app.router.add_get("/object/decorated", timeout(20)(SubShop("one")))
    app.router.add_get("/lambda", timeout(21)(lambda request: answer(request)))
    routeguard.setup(app, timeout(100))
    await expect(aiohttp_client, app, {"/object": 15, "/object/decorated": 20, "/lambda": 21})


async def test_under_and_above_decorators_of_other_libraries(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/under", someone_elses(timeout(1)(answer)))
    app.router.add_get("/above", timeout(2)(someone_elses(answer)))
    app.router.add_get("/between", someone_elses(timeout(3)(someone_elses(answer))))
    app.router.add_get("/around", timeout(4)(someone_elses(timeout(5)(answer))))
    app.router.add_get("/deep", someone_elses(someone_elses(timeout(6)(timeout(7)(answer)))))
    app.router.add_get("/method", someone_elses(SubShop("one").method))
    routeguard.setup(app, timeout(100))
    await expect(
        aiohttp_client,
        app,
        {"/under": 1, "/above": 2, "/between": 3, "/around": 4, "/deep": 6, "/method": 10},
    )


@bare
async def test_under_a_decorator_that_makes_an_object(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/under", class_based(timeout(1)(answer)))
    app.router.add_get("/above", timeout(2)(class_based(answer)))
    routeguard.setup(app, timeout(100))
    await expect(aiohttp_client, app, {"/under": 1, "/above": 2})


@timeout(30)
class Page(web.View):
    async def get(self) -> web.Response:
        return await answer(self.request)

    @timeout(31)
    async def post(self) -> web.Response:
        return await answer(self.request)

    @someone_elses
    @timeout(32)
    async def put(self) -> web.Response:
        return await answer(self.request)


async def test_views(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_view("/view", Page)
    app.router.add_get("/get", Page)
    app.router.add_view("/renamed", timeout(33)(type("Renamed", (Page,), {})))
    routeguard.setup(app, timeout(100))
    expected = {
        ("/view", "GET"): 30,
        ("/view", "POST"): 31,
        ("/view", "PUT"): 32,
        ("/get", "GET"): 30,
        ("/renamed", "GET"): 33,
        ("/renamed", "POST"): 31,
    }
    explained = {key: told(app, *key) for key in expected}
    client = await aiohttp_client(app)
    assert {key: await limit(client, *key) for key in expected} == expected
    assert explained == expected
    async with client.delete("/view") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,POST,PUT")


def test_a_method_of_a_view_is_one_that_aiohttp_calls() -> None:
    class Reporting(Page):
        @timeout(40)
        async def report(self) -> web.Response:
            return await answer(self.request)

    app = web.Application()
    app.router.add_view("/view", Reporting)
    routeguard.setup(app)
    for method in ("REPORT", "REQUEST", "__INIT__"):  # a view answers 405 to all of these
        assert told(app, "/view", method) == 30


async def test_decorated_handlers_to_which_the_same_applies(
    aiohttp_client: AiohttpClient,
) -> None:
    """Neither is called in the other's place, whichever was called last."""
    app = web.Application()
    for name in ("a", "b"):

        async def handler(request: web.Request, name: str = name) -> web.Response:
            return web.Response(text=name)

        app.router.add_get(f"/{name}", exempt(csrf)(handler))
    routeguard.setup(app, cors(["https://app.example"]), errors(), csrf())
    client = await aiohttp_client(app)
    for name in "aabba":
        async with client.get(f"/{name}") as response:
            assert await response.text() == name
