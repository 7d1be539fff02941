"""`outside`: in front of the dispatcher, in the order given, once, wherever they were listed."""

import warnings
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import ConfigError, csrf
from tests.server.startup.starting import start

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}


class Steps:
    """Middlewares that note that they ran."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.a, self.b, self.m, self.n = (self.named(name) for name in "abmn")

    def named(self, name: str) -> Middleware:
        @web.middleware
        async def step(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.taken.append(name)
            return await handler(request)

        return step

    async def handle(self, request: web.Request) -> web.Response:
        self.taken.append("handler")
        return web.Response()

    def take(self) -> str:
        """The steps since it was asked last, as one word a step."""
        taken, self.taken[:] = " ".join(self.taken), []
        return taken


@pytest.fixture
def steps() -> Steps:
    return Steps()


def application(steps: Steps, *middlewares: Middleware) -> web.Application:
    app = web.Application(middlewares=list(middlewares))
    app.router.add_post("/", steps.handle)
    return app


Change = Callable[[web.Application, Steps], object]

LISTED: dict[str, tuple[Change, Change, str]] = {
    "not listed": (lambda app, s: None, lambda app, s: None, "D"),
    "listed before, in another order": (
        lambda app, s: app.middlewares.extend([s.m, s.b, s.a]),
        lambda app, s: None,
        "D m",
    ),
    "listed after": (
        lambda app, s: app.middlewares.append(s.m),
        lambda app, s: app.middlewares.extend([s.b, s.n, s.a]),
        "D m n",
    ),
    "before and after": (
        lambda app, s: app.middlewares.extend([s.b, s.m]),
        lambda app, s: app.middlewares.extend([s.a, s.b]),
        "D m",
    ),
    "put in front after": (
        lambda app, s: None,
        lambda app, s: app.middlewares.insert(0, s.b),
        "D",
    ),
    "others by position after": (
        lambda app, s: app.middlewares.append(s.m),
        lambda app, s: app.middlewares.insert(1, s.n),
        "D n m",
    ),
    "others in front after": (
        lambda app, s: None,
        lambda app, s: app.middlewares.insert(0, s.m),
        "m D",
    ),
}


@pytest.mark.parametrize("mounted", ["served", "mounted"])
@pytest.mark.parametrize("listed", LISTED)
async def test_they_stand_in_front_in_order_and_once(
    aiohttp_client: AiohttpClient, steps: Steps, listed: str, mounted: str
) -> None:
    before, after, order = LISTED[listed]
    app = application(steps)
    before(app, steps)
    routeguard.setup(app, csrf(), outside=[steps.a, steps.b])
    after(app, steps)
    served = app
    if mounted == "mounted":
        served = web.Application()
        served.add_subapp("/sub", app)
    path = "/" if served is app else "/sub/"
    client = await aiohttp_client(served)
    async with client.post(path) as response:
        assert response.status == 200
    assert steps.take() == f"{order} handler".replace("D", "a b")
    async with client.post(path, headers=CROSS_SITE) as response:
        assert response.status == 403
    # What is refused never gets behind the dispatcher, but all in front of it have seen it.
    assert steps.take() == order.partition("D")[0] + "a b"


async def test_in_a_mounted_application_they_are_inside_those_of_the_root(
    aiohttp_client: AiohttpClient, steps: Steps
) -> None:
    inner, root = application(steps, steps.m), application(steps, steps.n)
    routeguard.setup(root, csrf(), outside=[steps.a])
    routeguard.setup(inner, outside=[steps.b])
    root.add_subapp("/sub", inner)
    client = await aiohttp_client(root)
    async with client.post("/sub/") as response:
        assert response.status == 200
    assert steps.take() == "a n b m handler"
    async with client.post("/sub/", headers=CROSS_SITE) as response:
        assert response.status == 403
    assert steps.take() == "a"


async def test_an_application_of_a_domain_has_them_too(
    aiohttp_client: AiohttpClient, steps: Steps
) -> None:
    inner, root = application(steps, steps.b, steps.m), web.Application()
    routeguard.setup(inner, csrf(), outside=[steps.a, steps.b])
    root.add_domain("shop.example", inner)
    client = await aiohttp_client(root)
    async with client.post("/", headers={"Host": "shop.example"}) as response:
        assert response.status == 200
    assert steps.take() == "a b m handler"


async def test_what_comes_when_it_can_be_moved_no_more_is_told(steps: Steps) -> None:
    inner, root = application(steps), web.Application()
    routeguard.setup(inner, outside=[steps.a])
    inner.middlewares.append(steps.a)
    with pytest.raises(ConfigError, match=r"named\.<locals>\.step .* too late"):
        root.add_domain("example.com", inner)


async def test_what_is_listed_while_the_application_starts_is_told(steps: Steps) -> None:
    app = application(steps)
    routeguard.setup(app, outside=[steps.a])

    async def late(app: web.Application) -> None:
        app.middlewares.append(steps.a)

    app.on_startup.append(late)
    with pytest.raises(ConfigError, match="too late"):
        await start(app)


async def test_middlewares_of_the_old_style_can_stand_outside(
    aiohttp_client: AiohttpClient, steps: Steps
) -> None:
    async def factory(app: web.Application, handler: Handler) -> Handler:
        async def step(request: web.Request) -> web.StreamResponse:
            steps.taken.append("old")
            return await handler(request)

        return step

    app = application(steps, steps.m)
    app.middlewares.append(factory)  # type: ignore[arg-type]
    routeguard.setup(app, csrf(), outside=[factory, steps.a])  # type: ignore[list-item]
    with pytest.warns(DeprecationWarning, match="old-style middleware"):
        client = await aiohttp_client(app)
    async with client.post("/", headers=CROSS_SITE) as response:
        assert response.status == 403
    assert steps.take() == "old a"
    async with client.post("/") as response:
        assert response.status == 200
    assert steps.take() == "old a m handler"


@pytest.fixture
def instrumented() -> Iterator[None]:
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

    with warnings.catch_warnings(action="ignore"):
        AioHttpServerInstrumentor().instrument()
    yield
    AioHttpServerInstrumentor().uninstrument()


def names(app: web.Application) -> list[str]:
    return ["otel" if "opentelemetry" in one.__module__ else "" for one in app.middlewares]


@pytest.mark.filterwarnings("ignore:Inheritance class _InstrumentedApplication")
@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("listed", LISTED)
async def test_opentelemetrys_stands_in_front_of_them(
    aiohttp_client: AiohttpClient, steps: Steps, listed: str
) -> None:
    before, after, order = LISTED[listed]
    app = application(steps)
    before(app, steps)
    routeguard.setup(app, outside=[steps.a, steps.b])
    after(app, steps)
    client = await aiohttp_client(app)
    ahead = len(order.partition("D")[0].split())
    assert names(app)[: ahead + 1] == [""] * ahead + ["otel"]
    assert names(app).count("otel") == 1
    async with client.post("/") as response:
        assert response.status == 200
    assert steps.take() == f"{order} handler".replace("D", "a b")


def bare(request: web.Request, handler: Handler) -> None: ...


@web.middleware
async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


@pytest.mark.parametrize(
    ("outside", "said"),
    [
        (audit, "outside=[count_requests]"),
        (None, "outside=[count_requests]"),
        ("audit", "outside=[count_requests]"),
        ([web.Application], "is no middleware"),
        ([csrf], "is no middleware"),
        ([7], "is no middleware"),
        ([bare], "write @web.middleware above it"),
        ([audit, audit], "write it once"),
    ],
)
def test_what_is_no_middleware_is_told(outside: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        routeguard.setup(web.Application(), outside=outside)  # type: ignore[arg-type]
    assert said in str(caught.value)


async def waits(event: object) -> None: ...


@pytest.mark.parametrize(
    ("observers", "said"),
    [
        (print, "no list of callables"),
        ("print", "no list of callables"),
        ([7], "cannot be called"),
        ([str], "cannot be called"),
        ([waits], "async"),
    ],
)
def test_what_is_no_observer_is_told(observers: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        routeguard.setup(web.Application(), observers=observers)  # type: ignore[arg-type]
    assert said in str(caught.value)
