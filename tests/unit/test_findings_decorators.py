"""RG103 to RG106: decorators that do not do what they say."""

import functools
import inspect
import warnings
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

import routeguard
from routeguard import Finding, check, cors, errors, exempt, rule, shield, timeout, use
from routeguard.policy import Handler

ROUTES = web.RouteTableDef()


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


def found(app: web.Application, code: str) -> list[Finding]:
    return [finding for finding in check(app) if finding.code == code]


def guarded(app: web.Application) -> web.Application:
    routeguard.setup(app, timeout(30))
    return app


# --- RG103 ----------------------------------------------------------------------------------------


def one_route(handler: Handler | type[web.View], path: str = "/x") -> web.Application:
    app = web.Application()
    app.router.add_route("*", path, handler)
    return guarded(app)


def test_the_lower_of_two_decorators_of_one_kind_is_found() -> None:
    @timeout(1)
    @cors("*")
    @timeout(5)
    async def report(request: web.Request) -> web.Response:
        return await page(request)

    (finding,) = found(one_route(report), "RG103")
    assert finding.severity == "warning"
    assert "timeout(5)" in finding.message
    assert "timeout(1) above it" in finding.message
    assert "report" in finding.place and "/x" in finding.place


def test_an_exempt_above_the_policy_it_takes_away_is_found() -> None:
    @exempt(timeout)
    @timeout(5)
    async def report(request: web.Request) -> web.Response:
        return await page(request)

    (finding,) = found(one_route(report), "RG103")
    assert "timeout(5)" in finding.message


def test_a_shared_handler_that_one_route_tightens_is_no_fault() -> None:
    shared = timeout(5)(page)
    app = web.Application()
    app.router.add_get("/usual", shared)
    app.router.add_get("/tight", timeout(1)(shared))

    assert found(guarded(app), "RG103") == []


def test_several_middlewares_add_up_and_are_no_fault() -> None:
    assert found(one_route(use(audit)(use(audit)(page))), "RG103") == []


def test_two_methods_of_a_view_and_the_view_itself_may_differ() -> None:
    @timeout(5)
    class Orders(web.View):
        @timeout(1)
        async def get(self) -> web.Response:
            return await page(self.request)

        @timeout(2)
        async def post(self) -> web.Response:
            return await page(self.request)

    assert found(one_route(Orders), "RG103") == []


def test_a_view_may_override_what_it_inherits() -> None:
    @timeout(5)
    class Base(web.View):
        async def get(self) -> web.Response:
            return await page(self.request)

    @timeout(1)
    class Derived(Base):
        pass

    assert found(one_route(Derived), "RG103") == []


def test_two_decorators_of_one_kind_on_a_view_are_found() -> None:
    @timeout(1)
    @timeout(5)
    class Orders(web.View):
        async def get(self) -> web.Response:
            return await page(self.request)

    (finding,) = found(one_route(Orders), "RG103")
    assert "timeout(5)" in finding.message


def test_two_decorators_of_one_kind_on_a_views_method_are_found() -> None:
    class Orders(web.View):
        @errors()
        @errors(ignore=KeyError)
        async def post(self) -> web.Response:
            return await page(self.request)

        async def get(self) -> web.Response:
            return await page(self.request)

    (finding,) = found(one_route(Orders), "RG103")
    assert "errors(ignore=(KeyError))" in finding.message
    assert finding.place.startswith("POST /x")


def test_one_handler_on_many_routes_is_found_once() -> None:
    class Reports:
        @timeout(1)
        @timeout(5)
        async def listed(self, request: web.Request) -> web.Response:
            return await page(request)

    reports = Reports()
    app = web.Application()
    for path in ("/a", "/b", "/c"):
        app.router.add_get(path, reports.listed)

    assert len(found(guarded(app), "RG103")) == 1


# --- RG104 ----------------------------------------------------------------------------------------


@timeout(5)
@shield
@ROUTES.get("/above")
async def stated_above(request: web.Request) -> web.Response:
    return await page(request)


@ROUTES.get("/below")
@timeout(5)
async def stated_below(request: web.Request) -> web.Response:
    return await page(request)


@ROUTES.post("/both")
@timeout(5)
@ROUTES.post("/both/trial")
async def stated_between(request: web.Request) -> web.Response:
    return await page(request)


@cors("*")
@ROUTES.get("/split")
@timeout(5)
async def stated_around(request: web.Request) -> web.Response:
    return await page(request)


def logged(handler: Handler) -> Handler:
    @functools.wraps(handler)
    async def wrapper(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    return wrapper


@timeout(5)
@ROUTES.get("/logged")
@logged
async def stated_above_another(request: web.Request) -> web.Response:
    return await page(request)


class Handlers:
    @staticmethod
    @timeout(5)
    @ROUTES.get("/static-method")
    async def listed(request: web.Request) -> web.Response:
        return await page(request)


@timeout(5)
@ROUTES.view("/view")
class StatedAboveView(web.View):
    async def get(self) -> web.Response:
        return await page(self.request)


def test_policies_above_the_route_decorator_are_errors() -> None:
    app = web.Application()
    app.add_routes(ROUTES)

    findings = found(guarded(app), "RG104")
    lost = {place.split(" ")[1]: one for one in findings for place in one.places}
    assert lost.keys() == {"/above", "/split", "/logged", "/static-method"}
    assert all(one.severity == "error" for one in lost.values())
    assert lost["/above"].message.startswith("timeout(5), shield stands above")
    assert lost["/split"].message.startswith("cors('*') stands above")


def test_a_decorated_handler_that_is_registered_by_hand_is_fine() -> None:
    app = web.Application()
    app.router.add_get("/bare", inspect.unwrap(stated_above))
    app.router.add_get("/guarded", stated_above)

    assert found(guarded(app), "RG104") == []


# --- RG105 ----------------------------------------------------------------------------------------


def test_a_policy_in_the_handlers_place_is_an_error() -> None:
    @errors
    async def report(request: web.Request) -> web.Response:
        return await page(request)

    app = web.Application()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # aiohttp sees no coroutine function
        app.router.add_get("/report", report)  # type: ignore[arg-type]

    (finding,) = found(guarded(app), "RG105")
    assert finding.severity == "error"
    assert finding.place == "GET,HEAD /report"
    assert "@errors was written without its parentheses" in finding.message
    assert finding.remedy == "write @errors(...) above the handler"


# --- RG106 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [page, timeout(5)(page)])
def test_an_application_without_any_setup_is_an_error(handler: Handler) -> None:
    app = web.Application()
    app.router.add_get("/x", handler)

    (finding,) = check(app)
    assert (finding.code, finding.severity, finding.place) == ("RG106", "error", "application")


def test_decorated_routes_outside_the_application_that_is_set_up_are_errors() -> None:
    inner, other = web.Application(), web.Application()
    inner.router.add_get("/in", timeout(5)(page))
    other.router.add_get("/lost", timeout(5)(page))
    other.router.add_get("/bare", page)
    routeguard.setup(inner)
    app = web.Application()
    app.add_subapp("/inner", inner)
    app.add_subapp("/other", other)

    (finding,) = found(app, "RG106")
    assert finding.place == "application at /other"
    assert "GET /other/lost" in finding.message
    assert "/bare" not in finding.message and "/in " not in finding.message


def test_undecorated_routes_outside_are_nobodys_fault() -> None:
    inner = web.Application()
    inner.router.add_get("/in", page)
    routeguard.setup(inner, rule("/in", timeout(5)))
    app = web.Application()
    app.router.add_get("/out", page)
    app.add_subapp("/inner", inner)

    assert found(app, "RG106") == []


@pytest.mark.parametrize("make", [functools.partial, lambda function: function], ids=["a", "b"])
def test_partials_and_plain_functions_have_no_fault(
    make: Callable[[Handler], Callable[[web.Request], Awaitable[web.StreamResponse]]],
) -> None:
    assert check(one_route(make(page))) == ()
