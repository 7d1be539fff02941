"""Sub-applications: whose rules and fallbacks hold, and which application is seen."""

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import ConfigError, cors, errors, exempt, explain, rule, timeout, use
from tests.support.seen import KINDS, PAGE, Kind, answer, answer_in_place, check

by_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def routed(*paths: str) -> web.Application:
    app = web.Application()
    for path in paths:
        app.router.add_route("*", path, answer)
    return app


@by_kind
async def test_inner_rules_inner_fallbacks_outer_rules_outer_fallbacks(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    speaks = routed("/ruled", "/plain")
    speaks.router.add_route("*", "/decorated", make("e")(answer))
    routeguard.setup(speaks, rule("/ruled", make("a")), make("b"))
    rules_only = routed("/ruled", "/plain")
    routeguard.setup(rules_only, rule("/ruled", make("a")))
    mute = routed("/ruled", "/plain")
    site = routed("/plain")
    for name, app in (("speaks", speaks), ("rules", rules_only), ("mute", mute)):
        site.add_subapp(f"/{name}", app)
    routeguard.setup(
        site,
        rule("/*", make("c"), methods="LOCK"),
        rule("/speaks/*", make("c")),
        rule("/rules/*", make("c")),
        make("d"),
    )
    await check(
        aiohttp_client,
        site,
        kind,
        {
            "/speaks/ruled": "a",
            "/speaks/plain": "b",
            "/speaks/decorated": "e",
            "/rules/ruled": "a",
            "/rules/plain": "c",
            "/mute/ruled": "d",
            "/mute/plain": "d",
            "/plain": "d",
        },
    )


@by_kind
@pytest.mark.parametrize("parent_is_set_up", [False, True], ids=["alone", "both"])
async def test_patterns_do_not_know_where_the_application_is_mounted(
    aiohttp_client: AiohttpClient, kind: Kind, parent_is_set_up: bool
) -> None:
    make = kind.make
    inner = routed("/exact", "/users/{id}", "/below/{tail:.*}", "/", "/rest")
    routeguard.setup(
        inner,
        rule("/exact", make("a")),
        rule("/users/{id}", make("b")),
        rule("/below/*", make("c")),
        rule("/site/inner/rest", make("e")),
        rule("/inner/rest", make("e")),
        rule("/", make("d")),
    )
    middle = web.Application()
    middle.add_subapp("/inner", inner)
    site = web.Application()
    site.add_subapp("/site", middle)
    if parent_is_set_up:
        routeguard.setup(site, rule("/exact", make("e")), rule("/site/{id}", make("e")))
    await check(
        aiohttp_client,
        site,
        kind,
        {
            "/site/inner/exact": "a",
            "/site/inner/users/7": "b",
            "/site/inner/below/x/y": "c",
            "/site/inner/": "d",
            "/site/inner/rest": None,
        },
    )


@by_kind
async def test_a_root_route_without_a_path_is_the_root_of_its_application(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    inner = routed("", "/x")
    routeguard.setup(inner, rule("/", kind.make("a")), kind.make("b"))
    site = web.Application()
    site.add_subapp("/inner", inner)
    await check(aiohttp_client, site, kind, {"/inner": "a", "/inner/x": "b"})


@by_kind
async def test_three_applications_within_each_other(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    inner, middle, site = routed("/x", "/y", "/z", "/w"), routed("/x"), routed("/x")
    routeguard.setup(inner, rule("/x", make("a")))
    middle.add_subapp("/inner", inner)
    routeguard.setup(middle, rule("/inner/y", make("b")), rule("/inner/x", make("e")))
    site.add_subapp("/middle", middle)
    routeguard.setup(site, rule("/middle/inner/z", make("c")), make("d"))
    expected = {
        "/middle/inner/x": "a",
        "/middle/inner/y": "b",
        "/middle/inner/z": "c",
        "/middle/inner/w": "d",
        "/middle/x": "d",
        "/x": "d",
    }
    await check(aiohttp_client, site, kind, expected)


@by_kind
async def test_exempt_in_an_inner_application_shuts_out_the_outer_ones(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    none, make = exempt(kind.kind), kind.make
    by_rule, by_fallback = routed("/x", "/y"), routed("/x", "/y")
    routeguard.setup(by_rule, rule("/x", none))
    routeguard.setup(by_fallback, rule("/y", make("a")), none)
    site = web.Application()
    site.add_subapp("/rule", by_rule)
    site.add_subapp("/fallback", by_fallback)
    routeguard.setup(site, rule("/rule/x", make("b")), make("c"))
    await check(
        aiohttp_client,
        site,
        kind,
        {"/rule/x": None, "/rule/y": "c", "/fallback/x": None, "/fallback/y": "a"},
    )


@by_kind
async def test_an_unmatched_path_belongs_to_the_application_it_leads_into(
    aiohttp_client: AiohttpClient, kind: Kind
) -> None:
    make = kind.make
    inner = routed("/x")
    inner.router.add_route("LOCK", "/locked", answer)
    routeguard.setup(inner, rule("/gone", make("a")), rule("/locked", make("e")), make("b"))
    site = web.Application()
    site.add_subapp("/inner", inner)
    routeguard.setup(site, rule("/gone", make("c")), make("d"), use(answer_in_place))
    await check(
        aiohttp_client,
        site,
        kind,
        {
            "/inner/gone": "a",
            "/inner/locked": "e",
            "/inner": "b",
            "/inner/": "b",
            "/innermost": "d",
            "/gone": "c",
        },
    )


NAME = web.AppKey("name", str)


async def name_the_app(request: web.Request) -> web.Response:
    return web.Response(status=409, headers={"X-App": request.app[NAME]})


async def fails(request: web.Request) -> web.Response:
    raise web.HTTPConflict(headers={"X-Raised-In": request.app[NAME]})


async def test_an_error_handler_sees_the_application_that_stated_it(
    aiohttp_client: AiohttpClient,
) -> None:
    answered = errors(name_the_app)
    inner, site = web.Application(), web.Application()
    inner[NAME], site[NAME] = "inner", "site"
    for path in ("/by_site", "/by_inner", "/by_rule_of_site"):
        inner.router.add_get(path, fails)
    inner.router.add_get("/by_handler", answered(fails))
    site.router.add_get("/own", fails)
    routeguard.setup(inner, rule("/by_inner", answered))
    site.add_subapp("/inner", inner)
    routeguard.setup(site, rule("/inner/by_rule_of_site", answered), answered)
    client = await aiohttp_client(site)
    for path, stated_by, raised_in in (
        ("/inner/by_handler", "inner", "inner"),
        ("/inner/by_inner", "inner", "inner"),
        ("/inner/by_rule_of_site", "site", "inner"),
        ("/inner/by_site", "site", "inner"),
        ("/own", "site", "site"),
        ("/inner/404", "site", None),
    ):
        async with client.get(path) as response:
            assert response.status == 409
            seen = response.headers["X-App"], response.headers.get("X-Raised-In")
            assert (path, *seen) == (path, stated_by, raised_in)


async def test_the_outermost_dispatcher_does_the_work_once(aiohttp_client: AiohttpClient) -> None:
    asked: list[str] = []

    def allows(origin: str) -> bool:
        asked.append(origin)
        return True

    inner, site = routed("/x"), web.Application()
    routeguard.setup(inner, cors(allows))
    site.add_subapp("/inner", inner)
    routeguard.setup(site, cors("*"))
    client = await aiohttp_client(site)
    async with client.get("/inner/x", headers={"Origin": PAGE}) as response:
        assert response.headers.getall("Access-Control-Allow-Origin") == [PAGE]
        assert response.headers.getall("Vary") == ["Origin"]
    assert asked == [PAGE]


async def test_beside_an_application_that_is_set_up_nothing_applies(
    aiohttp_client: AiohttpClient,
) -> None:
    guarded, other = routed("/x"), routed("/x")
    other.router.add_route("*", "/decorated", timeout(1)(answer))
    routeguard.setup(guarded, timeout(1000))
    site = routed("/x")
    site.add_subapp("/guarded", guarded)
    site.add_subapp("/other", other)
    client = await aiohttp_client(site)
    for path, limit in (
        ("/guarded/x", 1000),
        ("/other/x", None),
        ("/other/decorated", None),  # nobody was asked to read it
        ("/x", None),
    ):
        async with client.get(path) as response:
            assert (path, (await response.json())["timeout"]) == (path, limit)
    for path in ("/other/x", "/x", "/nowhere"):
        with pytest.raises(ConfigError, match=path):
            explain(site, "GET", path)


# What `hosts` admits is found out by asking for other hosts, which here lead elsewhere.
@pytest.mark.parametrize("kind", [one for one in KINDS if one.name != "hosts"], ids=str)
async def test_domains(aiohttp_client: AiohttpClient, kind: Kind) -> None:
    make = kind.make
    shop, admin, site = routed("/x", "/y"), routed("/z"), routed("/site")
    routeguard.setup(shop, rule("/x", make("a")))
    site.add_domain("shop.example", shop)
    site.add_domain("*.admin.example", admin)
    routeguard.setup(
        site, rule("/y", make("b")), rule("/z", make("c")), make("d"), use(answer_in_place)
    )
    hosts = {
        ("shop.example", "/x"): "a",
        ("shop.example", "/y"): "b",
        ("shop.example", "/gone"): "d",
        ("a.admin.example", "/z"): "c",
        ("other.example", "/x"): "d",
        ("other.example", "/z"): "c",
        ("other.example", "/site"): "d",
    }
    client = await aiohttp_client(site, headers={"Host": "shop.example"})
    told = {}
    for host, path in hosts:
        explanations = [
            explain(site, method, path, host=host) for method in ("GET", "POST", "PUT", "PATCH")
        ]
        values = [one.policy(kind.name) for one in explanations]
        told[host, path] = next((t for t in "abcd" if make(t) in values), None)
    assert told == hosts
    met = {}
    for host, path in hosts:
        client.session.headers["Host"] = host
        met[host, path] = await kind.seen(client, path)
    assert met == hosts
