"""`use`: which middlewares run around a handler, in which order, and what they see."""

import re

from aiohttp import web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import Policy, errors, exempt, explain, rule, timeout, use
from tests.support.trail import NAME, handle, named, names, stamp, told, trail


def decorated(*policies: Policy) -> Handler:
    """The handler with decorators, written from the outermost to the innermost."""
    handler: Handler = handle
    for policy in reversed(policies):
        handler = policy(handler)
    return handler


async def expect(
    aiohttp_client: AiohttpClient, app: web.Application, expected: dict[str, list[str]]
) -> None:
    """Holds the trails of requests, and what `explain` tells, against what is expected."""
    explained = {path: told(app, path) for path in expected}
    client = await aiohttp_client(app)
    assert {path: await names(client, path) for path in expected} == expected
    assert explained == expected


a, b, c, d, e, f, g, h = (use(stamp(name)) for name in "abcdefgh")


async def test_it_adds_up_fallbacks_then_every_rule_that_matches_then_decorators(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/x/y", decorated(f, g))
    app.router.add_get("/x/z", decorated())
    app.router.add_get("/w", decorated(h))
    routeguard.setup(
        app, rule("/x/*", c), a, rule("/x/y", d, timeout(1)), b, rule(re.compile(r"/.*y"), e)
    )
    await expect(
        aiohttp_client,
        app,
        {"/x/y": list("abcdefg"), "/x/z": ["a", "b", "c"], "/w": ["a", "b", "h"]},
    )


async def test_on_views_those_of_the_class_are_around_those_of_the_method(
    aiohttp_client: AiohttpClient,
) -> None:
    async def get(self: web.View) -> web.Response:
        return await handle(self.request)

    base = f(type("Base", (web.View,), {}))
    page = a(b(type("Page", (base,), {"get": c(d(get)), "post": get})))
    app = web.Application()
    app.router.add_view("/page", page)
    routeguard.setup(app, e)
    for method, expected in (("GET", list("efabcd")), ("POST", list("efab"))):
        assert told(app, "/page", method) == expected
    client = await aiohttp_client(app)
    for method, expected in (("GET", list("efabcd")), ("POST", list("efab"))):
        assert await names(client, "/page", method) == expected


async def test_applications_around_are_outermost(aiohttp_client: AiohttpClient) -> None:
    inner, site = web.Application(), web.Application()
    inner.router.add_get("/x", decorated(e, f))
    routeguard.setup(inner, rule("/x", d), c)
    site.add_subapp("/inner", inner)
    routeguard.setup(site, a, rule("/inner/*", b))
    await expect(aiohttp_client, site, {"/inner/x": list("abcdef"), "/inner/gone": ["a", "b", "c"]})


async def test_equal_middlewares_run_once_at_the_outermost_place(
    aiohttp_client: AiohttpClient,
) -> None:
    class Audit:
        def __init__(self) -> None:
            self.calls = 0

        async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
            self.calls += 1
            return await handler(request)

    same = stamp("a")
    audit = Audit()
    app = web.Application()
    app.router.add_get("/x", decorated(use(same), b, use(same)))
    app.router.add_get("/y", decorated(b, a, b))
    app.router.add_get("/z", decorated(use(audit.around), use(audit.around)))
    routeguard.setup(app, rule("/x", c), rule("/x", use(same)))
    client = await aiohttp_client(app)
    assert await names(client, "/x") == told(app, "/x") == ["c", "a", "b"]
    assert await names(client, "/y") == told(app, "/y") == ["b", "a"]
    await names(client, "/z")
    assert audit.calls == 1  # two bound methods of one object are equal
    entry = explain(app, "GET", "/x")["use"]
    assert [one.verdict for one in entry.considered if one.policy == use(same)].count(
        "applies"
    ) == 1


async def test_exempt_from_all_or_from_one(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_get("/all", decorated(exempt(use)))
    app.router.add_get("/all/but/own", decorated(c, exempt(use)))
    app.router.add_get("/one", decorated(exempt(a)))
    app.router.add_get("/two", decorated(exempt(a, d)))
    app.router.add_get("/above", decorated(exempt(e), e, f))
    app.router.add_get("/back", decorated(a, exempt(a)))
    app.router.add_get("/ruled/all", decorated(c))
    app.router.add_get("/ruled/one", decorated(c))
    routeguard.setup(
        app,
        rule("/ruled/all", exempt(use)),
        rule("/ruled/one", exempt(b)),
        rule("/ruled/*", d),
        rule("/two", d),
        a,
        b,
    )
    await expect(
        aiohttp_client,
        app,
        {
            "/all": [],
            "/all/but/own": ["c"],
            "/one": ["b"],
            "/two": ["b"],
            "/above": ["a", "b", "f"],
            "/back": ["b", "a"],
            "/ruled/all": ["c"],
            "/ruled/one": ["a", "d", "c"],
        },
    )


async def test_exempt_in_an_inner_application(aiohttp_client: AiohttpClient) -> None:
    all_out, one_out, site = web.Application(), web.Application(), web.Application()
    for app in (all_out, one_out):
        app.router.add_get("/x", decorated(d))
    routeguard.setup(all_out, c, exempt(use))
    routeguard.setup(one_out, exempt(a), rule("/x", c))
    site.add_subapp("/all", all_out)
    site.add_subapp("/one", one_out)
    routeguard.setup(site, a, b)
    await expect(aiohttp_client, site, {"/all/x": ["c", "d"], "/one/x": ["b", "c", "d"]})


async def test_an_exemption_and_a_middleware_of_its_own_in_one_rule_in_either_order(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    for path in ("/after", "/before"):
        app.router.add_get(path, handle)
    routeguard.setup(app, rule("/after", b, exempt(use)), rule("/before", exempt(use), b), a)
    # Policies stated together stand at one place: the exemption speaks of those farther out.
    await expect(aiohttp_client, app, {"/after": ["b"], "/before": ["b"]})


async def test_requests_that_match_no_route(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app.router.add_post("/x", decorated(c))
    routeguard.setup(app, rule("/x", a), rule("/gone", b), d)
    app.router.add_post("/y", handle)
    await expect(aiohttp_client, app, {"/x": ["d", "a"], "/gone": ["d", "b"], "/else": ["d"]})
    client = await aiohttp_client(app)
    for path, status in (("/y", 405), ("/else", 404), ("/y", 405), ("/none", 404)):
        async with client.get(path) as response:
            assert (path, response.status) == (path, status)


async def test_it_runs_next_to_the_handler_inside_all_middlewares_of_the_applications(
    aiohttp_client: AiohttpClient,
) -> None:
    inner = named("inner", stamp("i1"), stamp("i2"))
    site = named("site", stamp("s1"), stamp("s2"))
    inner.router.add_get("/x", decorated(c))
    site.router.add_get("/x", decorated(c))
    routeguard.setup(inner, b)
    site.add_subapp("/inner", inner)
    routeguard.setup(site, a)
    site.middlewares.append(stamp("s3"))
    client = await aiohttp_client(site)
    assert (await trail(client, "/inner/x")).split() == [
        "s1@site",
        "s2@site",
        "s3@site",
        "i1@inner",
        "i2@inner",
        "a@site",
        "b@inner",
        "c@inner",
        "handler@inner",
    ]
    assert (await trail(client, "/x")).split() == [
        "s1@site",
        "s2@site",
        "s3@site",
        "a@site",
        "c@site",
        "handler@site",
    ]


async def test_each_sees_the_application_that_stated_it(aiohttp_client: AiohttpClient) -> None:
    async def hands_over_late(request: web.Request, handler: Handler) -> web.StreamResponse:
        before = request.app[NAME]
        response = await handler(request)
        response.headers["X-Before-And-After"] = f"{before} {request.app[NAME]}"
        return response

    inner, middle, site = named("inner"), named("middle"), named("site")
    inner.router.add_get("/x", decorated(d))
    middle.add_subapp("/inner", inner)
    routeguard.setup(middle, b, rule("/inner/x", c))
    site.add_subapp("/middle", middle)
    routeguard.setup(site, a, use(hands_over_late))
    client = await aiohttp_client(site)
    expected = ["a@site", "b@middle", "c@middle", "d@inner", "handler@inner"]
    assert (await trail(client, "/middle/inner/x")).split() == expected
    async with client.get("/middle/inner/x") as response:
        assert response.headers["X-Before-And-After"] == "site site"
    async with client.get("/middle/inner/gone") as response:
        assert (response.status, response.headers["X-Trail"]) == (404, "a@site b@middle")


async def test_one_function_on_two_routes_has_each_route_its_own(
    aiohttp_client: AiohttpClient,
) -> None:
    """aiohttp keeps what it builds by the equality of handlers."""
    for middlewares in ([], [stamp("app")]):
        inner = web.Application(middlewares=middlewares)
        for path, policies in (("/a", [a]), ("/b", [b]), ("/", []), ("/ab", [a, b])):
            inner.router.add_get(path, decorated(*policies))
        inner.router.add_get("/ruled", handle)
        routeguard.setup(inner, rule("/ruled", c))
        site = web.Application()
        site.add_subapp("/in", inner)
        client = await aiohttp_client(site)
        outside = ["app"] if middlewares else []
        for _ in range(2):
            for path, expected in (
                ("/a", ["a"]),
                ("/b", ["b"]),
                ("/", []),
                ("/ab", ["a", "b"]),
                ("/ruled", ["c"]),
            ):
                assert await names(client, f"/in{path}") == outside + expected


async def test_an_error_of_the_handler_passes_through_it_to_the_error_handler(
    aiohttp_client: AiohttpClient,
) -> None:
    seen: list[str] = []

    async def watching(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except KeyError as error:
            seen.append(repr(error))
            raise

    async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise web.HTTPForbidden

    async def fails(request: web.Request) -> web.Response:
        raise KeyError("x")

    app = web.Application()
    app.router.add_get("/fails", use(watching)(fails))
    app.router.add_get("/refused", use(refusing)(fails))
    routeguard.setup(app, errors(on={KeyError: 422}))
    client = await aiohttp_client(app)
    async with client.get("/fails") as response:
        assert response.status == 422
    async with client.get("/refused") as response:
        assert (response.status, await response.json()) == (403, {"detail": "Forbidden"})
    assert seen == ["KeyError('x')"]


def test_explain_names_the_place_of_each() -> None:
    app = web.Application()
    app.router.add_get("/x", decorated(c, exempt(d)))
    routeguard.setup(app, rule("/x", b), a, d)
    entry = explain(app, "GET", "/x")["use"]
    assert entry.policies == (a, b, c)
    assert {one.place: one.verdict for one in entry.considered if one.policy == d} == {
        "fallback": "exempted nearer to the handler"
    }
    text = str(entry)
    for line in ("use(a)  (fallback)", 'use(b)  (rule 1 "/x")', "use(c)  (decorator)"):
        assert line in text.splitlines()
