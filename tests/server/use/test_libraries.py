"""Other people's middlewares, unchanged, on some routes only."""

import functools
from dataclasses import dataclass, field

import aiohttp_security
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_security import AbstractAuthorizationPolicy, SessionIdentityPolicy
from aiohttp_session import SimpleCookieStorage, get_session, session_middleware
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import ConfigError, cors, errors, problem_details, rule, shield, timeout, use
from tests.support.seen import PAGE
from tests.support.trail import handle, names, stamp

# aiohttp-session keys requests by strings, of which newer versions of aiohttp warn.
pytestmark = pytest.mark.filterwarnings("ignore:It is recommended to use web.RequestKey")


async def require_login(request: web.Request, handler: Handler) -> web.StreamResponse:
    if "user" not in await get_session(request):
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Form"})
    return await handler(request)


async def log_in(request: web.Request) -> web.Response:
    (await get_session(request))["user"] = "ada"
    return web.Response(text="hello")


async def private(request: web.Request) -> web.Response:
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.Response(text=f"{session['user']} {session['visits']}")


@pytest.mark.parametrize("where", ["rule", "fallback", "application"])
async def test_a_login_decorator_finds_the_session_of_a_rule_fallback_or_middleware(
    aiohttp_client: AiohttpClient, where: str
) -> None:
    sessions = session_middleware(SimpleCookieStorage())
    app = web.Application(middlewares=[sessions] if where == "application" else [])
    app.router.add_post("/account/login", log_in)
    app.router.add_get("/account/orders", use(require_login)(private))
    app.router.add_get("/account/shielded", shield(use(require_login)(private)))
    used = use(sessions)
    routeguard.setup(
        app,
        *([rule("/account/*", used)] if where == "rule" else []),
        *([used] if where == "fallback" else []),
        errors(problem_details),
        cors(PAGE, allow_credentials=True),
        timeout(10),
    )
    client = await aiohttp_client(app)
    async with client.get("/account/orders", headers={"Origin": PAGE}) as response:
        assert response.status == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"] == "Form"
        assert response.headers["Access-Control-Allow-Origin"] == PAGE
    async with client.post("/account/login") as response:
        assert "AIOHTTP_SESSION" in response.cookies
    for visits in (1, 2):
        async with client.get("/account/orders") as response:
            assert (response.status, await response.text()) == (200, f"ada {visits}")
    async with client.get("/account/shielded") as response:
        assert await response.text() == "ada 3"


async def test_a_session_on_one_rule_is_none_of_the_others_business(
    aiohttp_client: AiohttpClient,
) -> None:
    async def without(request: web.Request) -> web.Response:
        with pytest.raises(RuntimeError, match="Install aiohttp_session"):
            await get_session(request)
        return web.Response()

    app = web.Application()
    app.router.add_get("/public", without)
    app.router.add_post("/account/login", log_in)
    routeguard.setup(app, rule("/account/*", use(session_middleware(SimpleCookieStorage()))))
    client = await aiohttp_client(app)
    async with client.get("/public") as response:
        assert response.status == 200
        assert not response.cookies


class Roles(AbstractAuthorizationPolicy):
    async def authorized_userid(self, identity: str) -> str | None:
        return identity if identity in ("ada", "bob") else None

    async def permits(
        self, identity: str | None, permission: object, context: object = None
    ) -> bool:
        return identity == "ada"


@pytest.mark.parametrize(("name", "status"), [("ada", 200), ("bob", 403), ("eve", 401)])
async def test_aiohttp_security_checks_permissions_on_a_rule(
    aiohttp_client: AiohttpClient, name: str, status: int
) -> None:
    async def admins_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        await aiohttp_security.check_permission(request, "admin")
        return await handler(request)

    async def remember(request: web.Request) -> web.Response:
        response = web.Response()
        await aiohttp_security.remember(request, response, request.match_info["name"])
        return response

    admin, app = web.Application(), web.Application()
    admin.router.add_get("/", handle)
    app.add_subapp("/admin", admin)
    app.router.add_post("/login/{name}", remember)
    aiohttp_security.setup(app, SessionIdentityPolicy(), Roles())
    routeguard.setup(
        app,
        rule("/admin/*", use(admins_only)),
        use(session_middleware(SimpleCookieStorage())),
    )
    client = await aiohttp_client(app)
    async with client.get("/admin/") as response:
        assert response.status == 401
    async with client.post(f"/login/{name}") as response:
        assert response.status == 200
    async with client.get("/admin/") as response:
        assert response.status == status


@pytest.mark.parametrize("where", ["rule", "fallback"])
async def test_normalize_path_middleware_works_on_rules_and_fallbacks(
    aiohttp_client: AiohttpClient, where: str
) -> None:
    app = web.Application()
    app.router.add_get("/docs/page/", handle)
    app.router.add_get("/blog/page/", handle)
    slashes = use(web.normalize_path_middleware())
    routeguard.setup(
        app, rule("/docs/*", slashes) if where == "rule" else slashes, errors(problem_details)
    )
    client = await aiohttp_client(app)
    expected = 308 if where == "fallback" else 404
    for path, status in (
        ("/docs/page/", 200),
        ("/docs/page", 308),
        ("/docs//page", 308),
        ("/docs/gone", 404),
        ("/blog/page", expected),
    ):
        async with client.get(path, allow_redirects=False) as response:
            assert (path, response.status) == (path, status)
            if status == 308:
                assert response.headers["Location"] == path.replace("//", "/") + "/"


async def test_normalize_path_middleware_has_nothing_to_do_on_a_decorator(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application()
    app.router.add_get("/page/", use(web.normalize_path_middleware())(handle))
    routeguard.setup(app)
    client = await aiohttp_client(app)
    async with client.get("/page", allow_redirects=False) as response:
        assert response.status == 404  # no route, so no decorator


class Counting:
    """A middleware as a class whose objects are called."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(request.path)
        return await handler(request)

    async def method(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self(request, handler)


async def with_options(
    request: web.Request, handler: Handler, *, seen: list[str]
) -> web.StreamResponse:
    seen.append(request.path)
    return await handler(request)


async def test_functions_methods_partials_and_callable_objects(
    aiohttp_client: AiohttpClient,
) -> None:
    counting = Counting()
    app = web.Application()
    app.router.add_get("/object", use(counting)(handle))
    app.router.add_get("/method", use(counting.method)(handle))
    app.router.add_get("/partial", use(functools.partial(with_options, seen=counting.seen))(handle))
    routeguard.setup(app)
    client = await aiohttp_client(app)
    for path in ("/object", "/method", "/partial"):
        async with client.get(path) as response:
            assert response.status == 200
    assert counting.seen == ["/object", "/method", "/partial"]


@dataclass
class Audit:
    """A middleware that is compared by its fields and has no hash, as dataclasses are."""

    seen: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(request.path)
        return await handler(request)


@pytest.mark.parametrize("where", ["decorator", "rule", "fallback"])
async def test_a_middleware_object_without_a_hash(
    aiohttp_client: AiohttpClient, where: str
) -> None:
    audit = Audit()
    app = web.Application()
    app.router.add_get("/x", use(audit)(handle) if where == "decorator" else handle)
    routeguard.setup(
        app,
        *([rule("/x", use(audit))] if where == "rule" else []),
        *([use(audit)] if where == "fallback" else []),
    )
    client = await aiohttp_client(app)
    async with client.get("/x") as response:
        assert response.status == 200
    assert audit.seen == ["/x"]


async def test_a_middleware_object_without_a_hash_can_be_exempted(
    aiohttp_client: AiohttpClient,
) -> None:
    audit, other = Audit(), Audit(["other"])
    app = web.Application()
    app.router.add_get("/x", routeguard.exempt(use(audit))(handle))
    routeguard.setup(app, use(audit), use(other))
    client = await aiohttp_client(app)
    async with client.get("/x") as response:
        assert response.status == 200
    assert (audit.seen, other.seen) == ([], ["other", "/x"])


async def old_style(app: web.Application, handler: Handler) -> Handler:
    async def old(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Trail"] = f"old {response.headers['X-Trail']}"
        return response

    return old


async def start(app: web.Application) -> None:
    runner = web.AppRunner(app)
    try:
        await runner.setup()
    finally:
        await runner.cleanup()


@pytest.mark.filterwarnings("ignore:old-style middleware:DeprecationWarning")
@pytest.mark.parametrize("where", ["decorator", "rule", "fallback", "in the parent"])
async def test_beside_an_old_style_middleware_the_application_does_not_start(where: str) -> None:
    """What an old-style factory has made of the handler cannot be looked into."""
    used = use(stamp("used"))
    middlewares = [stamp("outer"), old_style, stamp("inner")]
    app = web.Application(middlewares=middlewares)  # type: ignore[arg-type]
    app.router.add_get("/x", used(handle) if where == "decorator" else handle)
    if where == "in the parent":
        inner, app = app, web.Application()
        app.add_subapp("/inner", inner)
    routeguard.setup(
        app,
        timeout(5),
        *([rule("/x", used)] if where == "rule" else []),
        *([used] if where in ("fallback", "in the parent") else []),
    )
    told = r"use\(.*would run outside .*old_style.*write @web.middleware"
    with pytest.raises(ConfigError, match=told):
        await start(app)


@pytest.mark.filterwarnings("ignore:old-style middleware:DeprecationWarning")
async def test_old_style_middlewares_stay_where_nothing_has_to_run_inside(
    aiohttp_client: AiohttpClient,
) -> None:
    app = web.Application(middlewares=[old_style])  # type: ignore[list-item]
    app.router.add_get("/x", handle)
    inner = web.Application()
    inner.router.add_get("/y", handle)
    routeguard.setup(inner, use(stamp("used")))
    app.add_subapp("/inner", inner)
    routeguard.setup(app, timeout(5), outside=[old_style])  # type: ignore[list-item]
    client = await aiohttp_client(app)
    assert await names(client, "/x") == ["old"]
    assert await names(client, "/inner/y") == ["old", "used"]
