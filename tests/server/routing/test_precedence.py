"""Which statement of a policy applies, kind by kind, within one application."""

import re

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient
from yarl import URL

import routeguard
from routeguard import Policy, exempt, explain, rule, use
from tests.support.seen import KINDS, Kind, answer, answer_in_place, check

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=str)


def add(app: web.Application, path: str, *decorators: Policy) -> None:
    """Adds a route for any method, with decorators written from the outermost to the innermost."""
    handler = answer
    for policy in reversed(decorators):
        handler = policy(handler)
    app.router.add_route("*", path, handler)


def view(*on_class: Policy, on_methods: tuple[Policy, ...] = ()) -> type[web.View]:
    """A view that answers all methods, with policies on the class, and on each of its methods."""

    async def on_request(self: web.View) -> web.Response:
        return await answer(self.request)

    for policy in reversed(on_methods):
        on_request = policy(on_request)
    names = ("get", "post", "put", "patch", "delete")
    made = type("Page", (web.View,), dict.fromkeys(names, on_request))
    for policy in reversed(on_class):
        made = policy(made)
    return made


async def test_the_nearest_of_decorator_rule_and_fallback_wins(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    app = web.Application()
    add(app, "/decorated", make("a"))
    add(app, "/ruled/decorated", make("a"))
    add(app, "/ruled/plain")
    add(app, "/plain")
    routeguard.setup(app, rule("/ruled/*", make("b")), make("c"))
    await check(
        aiohttp_client,
        app,
        kind,
        {"/decorated": "a", "/ruled/decorated": "a", "/ruled/plain": "b", "/plain": "c"},
    )


async def test_where_nothing_is_stated_nothing_applies(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    other = next(one for one in KINDS if one.name != kind.name)
    app = web.Application()
    add(app, "/bare")
    add(app, "/other", other.make("a"))
    routeguard.setup(app, rule("/elsewhere/*", kind.make("b")))
    await check(aiohttp_client, app, kind, {"/bare": None, "/other": None})


async def test_the_outermost_of_several_decorators_wins(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    shared = make("b")(answer)
    app = web.Application()
    add(app, "/stacked", make("a"), make("b"), make("c"))
    app.router.add_route("*", "/shared", shared)
    app.router.add_route("*", "/tightened", make("d")(shared))
    routeguard.setup(app)
    await check(aiohttp_client, app, kind, {"/stacked": "a", "/shared": "b", "/tightened": "d"})


async def test_the_first_rule_that_matches_and_speaks_of_the_kind_wins(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    other = next(one for one in KINDS if one.name != kind.name)
    app = web.Application()
    for path in ("/x/{id}", "/y", "/x", "/z"):
        add(app, path)
    routeguard.setup(
        app,
        rule("/x/1", make("a")),
        rule("/x/*", other.make("a")),
        rule(re.compile(r"/x/[12]"), make("b")),
        rule("/x/{id}", make("c")),
        rule(URL("/y"), make("d")),
        rule("/*", make("e")),
        rule("/z", make("a")),
    )
    await check(
        aiohttp_client,
        app,
        kind,
        {"/x/1": "a", "/x/2": "b", "/x/3": "c", "/y": "d", "/x": "e", "/z": "e"},
    )


async def test_a_rule_for_other_methods_is_passed_over(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    everything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = web.Application()
    add(app, "/x")
    add(app, "/y")
    routeguard.setup(
        app,
        rule("LOCK,UNLOCK /x", kind.make("a")),
        rule("/x", kind.make("b"), methods=everything),
        rule("/y", kind.make("c"), methods="LOCK"),
        kind.make("d"),
    )
    await check(aiohttp_client, app, kind, {"/x": "b", "/y": "d"})


async def test_a_view_method_then_its_class_then_rules(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    app = web.Application()
    app.router.add_view("/v/method", view(make("b"), on_methods=(make("a"),)))
    app.router.add_view("/v/methods", view(make("c"), on_methods=(make("a"), make("b"))))
    app.router.add_view("/v/class", view(make("b")))
    app.router.add_view("/v/classes", view(make("c"), make("b")))
    app.router.add_view("/v/bare", view())
    app.router.add_view("/bare", view())
    routeguard.setup(app, rule("/v/*", make("d")), make("e"))
    await check(
        aiohttp_client,
        app,
        kind,
        {
            "/v/method": "a",
            "/v/methods": "a",
            "/v/class": "b",
            "/v/classes": "c",
            "/v/bare": "d",
            "/bare": "e",
        },
    )


async def test_a_view_class_hands_its_policies_to_its_subclasses(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    base = view(make("a"))
    methodical = view(on_methods=(make("c"),))
    inherits = type("Inherits", (base,), {})
    restates = make("b")(type("Restates", (inherits,), {}))
    inherits_method = make("d")(type("InheritsMethod", (methodical,), {}))
    overrides_method = type("OverridesMethod", (view(), methodical), {})
    mixed = type("Mixed", (type("Mixin", (), {}), restates, base), {})
    app = web.Application()
    for name, one in {
        "base": base,
        "inherits": inherits,
        "restates": restates,
        "method": inherits_method,
        "override": overrides_method,
        "mixed": mixed,
    }.items():
        app.router.add_view(f"/{name}", one)
    routeguard.setup(app, make("e"))
    await check(
        aiohttp_client,
        app,
        kind,
        {
            "/base": "a",
            "/inherits": "a",
            "/restates": "b",
            "/method": "c",
            "/override": "e",
            "/mixed": "b",
        },
    )


async def test_exempt_on_each_level(aiohttp_client: AiohttpClient, kind: Kind) -> None:
    make, none = kind.make, exempt(kind.kind)
    app = web.Application()
    add(app, "/decorator", none)
    add(app, "/above", none, make("a"))
    add(app, "/below", make("a"), none)
    add(app, "/ruled")
    add(app, "/again", make("b"))
    app.router.add_view("/method", view(make("c"), on_methods=(none,)))
    app.router.add_view("/class", view(none))
    app.router.add_view("/says", view(none, on_methods=(make("c"),)))
    app.router.add_view("/sub", type("Sub", (view(none),), {}))
    add(app, "/other", exempt(use))
    routeguard.setup(
        app, rule("/ruled", none), rule("/ruled", make("d")), rule("/again", none), make("e")
    )
    await check(
        aiohttp_client,
        app,
        kind,
        {
            "/decorator": None,
            "/above": None,
            "/below": "a",
            "/ruled": None,
            "/again": "b",
            "/method": None,
            "/class": None,
            "/says": "c",
            "/sub": None,
            "/other": "e",
        },
    )


async def test_exempt_takes_out_the_kinds_it_names_and_no_others(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    others = [one for one in KINDS if one.name != kind.name]
    app = web.Application()
    add(app, "/all", exempt(*(one.kind for one in KINDS)))
    add(app, "/others", exempt(*(one.kind for one in others)))
    routeguard.setup(app, *(one.make("a") for one in KINDS))
    await check(aiohttp_client, app, kind, {"/all": None, "/others": "a"})


async def test_an_unmatched_path_gets_the_rules_and_fallbacks_of_its_path(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    app = web.Application()
    app.router.add_route("LOCK", "/here", kind.make("a")(answer))
    app.router.add_route("LOCK", "/users/{id}", kind.make("a")(answer))
    app.router.add_route("LOCK", "/exempt", exempt(kind.kind)(answer))
    routeguard.setup(
        app,
        rule("/here", kind.make("b")),
        rule("/gone/*", kind.make("c")),
        rule("/users/{id}", kind.make("d")),  # the resource that refuses the method
        kind.make("e"),
        use(answer_in_place),
    )
    assert explain(app, "GET", "/here").status == 405
    assert explain(app, "GET", "/gone/1").status == 404
    await check(
        aiohttp_client,
        app,
        kind,
        {"/here": "b", "/gone/1": "c", "/users/1": "d", "/gone": "e", "/exempt": "e"},
    )
