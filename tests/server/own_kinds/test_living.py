"""Kinds of a user's own have state that is made at start-up and ends at cleanup."""

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

import routeguard
from routeguard import (
    ConfigError,
    Policy,
    check,
    cors,
    errors,
    exempt,
    explain,
    headers,
    problem_details,
    rule,
    shield,
    timeout,
)
from routeguard.cli.main import main
from routeguard.routes.rules import Rule
from routeguard.serving import fast_lane
from tests.server.own_kinds.metering import (
    LOG,
    make_app,
    metered,
    metered_work,
    misbound,
    misnamed,
    unbound,
)
from tests.support.loops import new_event_loop
from tests.support.seen import PAGE, answer

FOLDER = pathlib.Path(__file__).parent


@pytest.fixture(autouse=True, params=[True, False], ids=["lane", "chain"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this holds with the fast lane and without."""
    monkeypatch.setattr(fast_lane, "IS_OPEN", request.param)


def metering(*entries: Policy | Rule, handler: Handler = answer) -> web.Application:
    app = web.Application()
    app[LOG] = []
    app.router.add_get("/x", handler)
    app.router.add_get("/y", handler)
    routeguard.setup(app, *entries)
    return app


async def serve(app: web.Application, *paths: str) -> list[str]:
    """Runs an application, asks all paths at once, and ends it; what `X-Requests` said."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]

        async def ask(path: str) -> str:
            async with session.get(f"http://{host}:{port}{path}") as response:
                assert response.status == 200
                return response.headers["X-Requests"]

        async with ClientSession() as session:
            return sorted(await asyncio.gather(*map(ask, paths)))
    finally:
        await runner.cleanup()


def test_one_value_serves_in_one_event_loop_after_the_other() -> None:
    value = metered("all")
    for _ in range(2):
        app = metering(rule("/y", value), value)
        with asyncio.Runner(loop_factory=new_event_loop) as loop:
            assert len(loop.run(serve(app, *["/x"] * 4, *["/y"] * 2))) == 6
        log = app[LOG]
        # A statement is one binding, whatever routes it applies to.
        assert sorted(log[:2]) == ["all bound to fallback", 'all bound to rule 1 "/y"']
        assert log[2:4] == ["all starts"] * 2
        assert sorted(log[-2:]) == ["all stops at 2", "all stops at 4"]


async def test_an_application_that_runs_twice_begins_anew() -> None:
    app = metering(metered("all"))
    for _ in range(2):
        app[LOG].clear()
        await serve(app, "/x", "/x", "/y")
        assert app[LOG] == [
            "all bound to fallback",
            "all starts",
            *(f"all {count}: limited=False shielded=False" for count in (1, 2, 3)),
            "all stops at 3",
        ]


async def test_a_decorated_handler_on_two_routes_is_one_statement() -> None:
    app = metering(handler=metered("both")(answer))
    await serve(app, "/x", "/y")
    assert (app[LOG][0], app[LOG][-1]) == ("both bound to decorator", "both stops at 2")


async def test_outside_timeout_or_right_around_the_work(aiohttp_client: AiohttpClient) -> None:
    app = metering(metered_work("work"), shield, timeout(100), metered("all"))
    client = await aiohttp_client(app)
    async with client.get("/x") as response:
        assert response.headers["X-Requests"] == "all 1"
        assert response.headers["X-Work"] == "work 1"
    assert app[LOG][-2:] == [
        "all 1: limited=False shielded=False",
        "work 1: limited=True shielded=True",
    ]
    told = [one.kind for one in explain(app, "GET", "/x").kinds]
    assert told.index("metered") == told.index("timeout") - 1
    assert told.index("metered_work") == told.index("shield") + 1


async def test_it_ends_after_shielded_work_and_before_the_cleanup() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def works(request: web.Request) -> web.Response:
        begun.set()
        await go_on.wait()
        request.app[LOG].append("work ends")
        return web.Response()

    async def database(app: web.Application) -> AsyncIterator[None]:
        app[LOG].append("database opens")
        yield
        app[LOG].append("database closes")

    app = metering(metered_work("work"), timeout(0.05), shield, handler=works)
    app.cleanup_ctx.append(database)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with ClientSession() as session, session.get(f"http://{host}:{port}/x") as response:
        assert response.status == 504
    assert begun.is_set()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await runner.cleanup()
    assert app[LOG] == [
        "work bound to fallback",
        "work starts",
        "database opens",
        "work 1: limited=True shielded=True",
        "work ends",
        "work stops at 1",
        "database closes",
    ]


async def test_in_applications_within_applications_each_lives_once() -> None:
    async def closes(app: web.Application) -> None:
        app[LOG].append("cleaned up")

    log: list[str] = []
    inner, app = metering(metered("inner")), metering(metered_work("outer"), metered("all"))
    inner[LOG] = app[LOG] = log
    inner.on_cleanup.append(closes)
    app.add_subapp("/inner", inner)
    await serve(app, "/inner/x", "/x")
    assert sorted(log[:3]) == [
        "all bound to fallback",
        "inner bound to fallback of /inner",
        "outer bound to fallback",
    ]
    for name, count in (("inner", 1), ("outer", 2), ("all", 1)):
        assert log.count(f"{name} starts") == log.count(f"{name} stops at {count}") == 1
    assert log[-1] == "cleaned up"


async def streams(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"part")
    return response


async def sends_a_file(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(__file__)


async def refuses(request: web.Request) -> web.StreamResponse:
    raise web.HTTPConflict


async def fails(request: web.Request) -> web.StreamResponse:
    raise LookupError("broken")


LEAVING = {
    "/answer": (200, "all"),
    "/stream": (200, "all"),
    "/file": (200, "all"),
    "/static/metering.py": (200, "all"),
    "/static/missing": (404, "all"),
    "/nowhere": (404, "all"),
    "/refused": (409, "all"),
    "/failed": (500, "all"),
    "/bare": (500, "all"),
    "/decorated": (200, "own"),
    "/ruled": (200, "rule"),
    "/exempt": (200, ""),
    "/exempt/failed": (500, ""),
}


async def test_it_marks_whatever_leaves(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    app[LOG] = []
    for path, handler in {
        "/answer": answer,
        "/stream": streams,
        "/file": sends_a_file,
        "/refused": refuses,
        "/failed": fails,
        "/bare": exempt(errors)(fails),
        "/decorated": metered("own")(answer),
        "/ruled": answer,
        "/exempt": exempt(metered)(answer),
        "/exempt/failed": exempt(metered, errors)(fails),
    }.items():
        app.router.add_get(path, handler)
    app.router.add_static("/static", FOLDER)
    routeguard.setup(
        app,
        rule("/ruled", metered("rule")),
        metered("all"),
        timeout(100),
        cors(PAGE),
        errors(problem_details),
    )
    client = await aiohttp_client(app)
    for path, (status, name) in LEAVING.items():
        for _ in range(2):
            async with client.get(path, headers={"Origin": PAGE}) as response:
                said = response.headers.getall("X-Requests", [])
                assert (path, response.status) == (path, status)
                assert [one.split()[0] for one in said] == ([name] if name else []), path
                assert response.headers["Access-Control-Allow-Origin"] == PAGE


async def test_headers_have_the_last_word(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(metering(metered("all"), headers({"X-Requests": None})))
    async with client.get("/x") as response:
        assert "X-Requests" not in response.headers


class awaited(Policy):  # noqa: N801
    """Writes what it has to wait for, and fails where the request says so."""

    __slots__ = ()

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        await asyncio.sleep(0)
        if "late" in request.query:
            raise LookupError("no such header")
        response.headers["X-Awaited"] = "yes"


class careless(Policy):  # noqa: N801
    """Fails at once where the request says so."""

    __slots__ = ()

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        if "early" in request.query:
            raise LookupError("no such header")
        response.headers["X-Careless"] = "yes"


@pytest.mark.parametrize(
    ("query", "written", "failed"),
    [
        ("", ["X-Awaited", "X-Careless"], []),
        ("?late", ["X-Careless"], ["awaited"]),
        ("?early", ["X-Awaited"], ["careless"]),
    ],
)
async def test_a_mark_may_wait_and_one_that_fails_is_logged(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    query: str,
    written: list[str],
    failed: list[str],
) -> None:
    client = await aiohttp_client(metering(awaited(), careless(), metered("all")))
    async with client.get(f"/x{query}") as response:
        assert response.status == 200
        assert response.headers["X-Requests"] == "all 1"
        assert [name for name in ("X-Awaited", "X-Careless") if name in response.headers] == written
    told = [one.getMessage() for one in caplog.records if one.name == "routeguard"]
    assert len(told) == len(failed)
    for line, name in zip(told, failed, strict=True):
        assert name in line
        assert line.endswith("failed to mark a response")


async def test_a_start_that_fails_stops_what_has_started() -> None:
    # Rules start first, then fallbacks, then decorators.
    app = metering(rule("/y", metered("rule")), metered("broken"), handler=metered("own")(answer))
    runner = web.AppRunner(app)
    with pytest.raises(ConnectionError, match="no counter"):
        await runner.setup()
    changed = [one for one in app[LOG] if " bound to " not in one]
    assert changed == ["rule starts", "rule stops at 0"]
    await runner.cleanup()
    assert app[LOG].count("rule stops at 0") == 1


async def test_one_that_fails_to_stop_keeps_nobody_from_stopping(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class stubborn(Policy):  # noqa: N801
        __slots__ = ()

        async def stop(self) -> None:
            raise LookupError("no way to stop")

    app = metering(metered_work("work"), stubborn(), metered("all"))
    await serve(app, "/x")
    assert sorted(app[LOG][-2:]) == ["all stops at 1", "work stops at 1"]
    told = [one.getMessage() for one in caplog.records if one.name == "routeguard"]
    assert len(told) == 1
    assert told[0].endswith("failed to stop")


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (misbound(), r"misbound\(\).*has none of the methods handle, mark, start, stop: return"),
        (misnamed(5), r"misnamed\(stop=5\).*stop is no method.*call the field otherwise"),
        (unbound(), r"unbound\(\) cannot stand at fallback"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_start_up(policy: Policy, fault: str) -> None:
    runner = web.AppRunner(metering(policy))
    with pytest.raises(ConfigError, match=fault):
        await runner.setup()
    await runner.cleanup()


def told(capsys: pytest.CaptureFixture[str], command: str, *options: str) -> str:
    main([command, f"{make_app.__module__}:make_app", *options])
    return capsys.readouterr().out


def test_commands_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    routes = json.loads(told(capsys, "routes", "--only", "metered", "--json"))
    assert routes["kinds"] == ["metered"]
    assert routes["applications"][0]["fallbacks"] == {"metered": ["metered(name='all')"]}
    applies = {one["path"]: one["policies"]["metered"]["applies"] for one in routes["routes"]}
    assert applies == {
        "/decorated": ["metered(name='own')"],
        "/ruled": ["metered(name='')"],
        "/exempt": [],
        "/other": ["metered(name='all')"],
    }
    explained = told(capsys, "explain", "GET", "/ruled")
    assert "metered(name='')  (rule 1 \"/ruled\")" in explained
    assert "/ruled counts for nobody" in explained
    found = json.loads(told(capsys, "check", "--json"))
    codes = [one["code"] for one in found["findings"]]
    assert "METER1" in codes
    ignored = json.loads(told(capsys, "check", "--json", "--ignore", "meter1"))
    assert [one["code"] for one in ignored["findings"]] == [
        code for code in codes if code != "METER1"
    ]


def test_no_command_starts_anything() -> None:
    app = metering(metered("all"))
    assert "metered(name='all')" in str(explain(app, "GET", "/x"))
    assert check(app, ignore=["RG302"]) == ()
    assert app[LOG] == []
