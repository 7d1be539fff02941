"""In a pipe nothing is cut, and what differs looks different; seven hundred routes read well."""

import functools
import json
import re
import resource
from pathlib import Path

import pytest

from tests.server.command.commandline import rows, run, stated

MANY = 700

LARGE = f"""
from aiohttp import web
import routeguard
from routeguard import cors, csrf, errors, rule, shield, timeout, use

class first:
    class NotFound(Exception): ...

class second:
    class NotFound(Exception): ...

TENANTS = [f"https://tenant-{{i}}.example.com" for i in range(40)]

def as_json(handler):
    async def answer(request):
        return web.json_response(await handler(request))
    return answer

async def page(request): ...

def make(number):
    @as_json
    async def show(request): ...
    return show

def make_app():
    app, api, late = web.Application(), web.Application(), web.Application()
    for number in range({MANY - 3}):
        handler = timeout(number + 1)(make(number)) if number % 50 == 0 else make(number)
        add = app.router.add_post if number % 2 else app.router.add_get
        add(f"/customers/{{{{id}}}}/orders/{{number}}/positions", handler)
    api.router.add_get("/a", errors(on={{first.NotFound: 404}})(page))
    api.router.add_get("/b", errors(on={{second.NotFound: 404}}, ignore=ConnectionError)(page))
    app.add_subapp("/api", api)
    app.router.add_get("/late", cors(TENANTS)(page))
    routeguard.setup(
        app, cors([*TENANTS, "https://admin.example.com"]), errors(), timeout(30), csrf(),
        rule("/api/*", shield(methods=["POST"])),
    )
    return app
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    (folder / "large.py").write_text(LARGE)
    return folder


@functools.cache  # several tests look at different sides of one answer
def told(folder: Path, *arguments: str) -> str:
    done = run(*arguments, cwd=folder)
    assert done.stderr == ""
    return done.stdout


def test_seven_hundred_routes_are_a_page_a_minute_and_a_line_a_route(large: Path) -> None:
    told.cache_clear()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    text = told(large, "routes", "large:make_app")
    taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert taken < 10  # seconds of the processor's; a bound for what grows by the square

    by_route = rows(text)
    assert len(by_route) == MANY
    alone = [name for name, row in by_route.items() if "\n" not in row]
    assert len(alone) == MANY - 3 - 14
    assert text.count("csrf()") == text.count("timeout(30)") == 1
    first = next(iter(by_route.values()))
    assert first.splitlines()[0].split()[-1].endswith("large.make.<locals>.show")
    assert stated(first) == [("timeout(1)", "decorator")]


def test_a_list_of_forty_origins_is_given_whole_and_lists_that_differ_look_so(large: Path) -> None:
    text = told(large, "routes", "large:make_app")
    lists = re.findall(r"cors\(\[.*\]\)", text)
    assert [one.count("https://") for one in lists] == [41, 40]
    asked = told(large, "explain", "large:make_app", "GET", "/late")
    assert [one.count("https://") for one in re.findall(r"cors\(\[.*\]\)", asked)] == [40, 41]
    data = json.loads(told(large, "routes", "large:make_app", "--path", "/late", "--json"))
    assert data["routes"][0]["policies"]["cors"]["applies"] == [lists[1]]
    assert data["applications"][0]["fallbacks"]["cors"] == [lists[0]]


def test_exception_classes_of_one_name_are_told_apart(large: Path) -> None:
    by_route = rows(told(large, "routes", "large:make_app"))
    a, b = (stated(by_route[f"GET /api/{name}"]) for name in "ab")
    assert ("errors(on={large.first.NotFound: 404})", "decorator") in a
    ignoring = "errors(on={large.second.NotFound: 404}, ignore=(ConnectionError))"
    assert (ignoring, "decorator") in b


def test_an_application_that_goes_on_after_one_mounted_in_it_is_named_again(large: Path) -> None:
    lines = told(large, "routes", "large:make_app").splitlines()
    mounted = lines.index("/api")
    again = lines.index("/")
    assert mounted < again and lines[again + 1].startswith("GET   /late ")
    assert lines.count("fallbacks") == 1


def test_a_policy_that_is_not_for_a_method_is_told_where_it_keeps_another_away(large: Path) -> None:
    by_route = rows(told(large, "routes", "large:make_app"))
    assert "shield" not in by_route["GET /api/a"]  # no shield was to be had anyway

    (large / "shielded.py").write_text(
        LARGE.replace("timeout(30),", "timeout(30), shield(limit=9),")
    )
    by_route = rows(told(large, "routes", "shielded:make_app"))
    said = ("shield(methods=['POST']) is not for GET", 'rule 1 "/api/*"')
    assert said in stated(by_route["GET /api/a"])


@pytest.mark.parametrize(("every", "head"), [(50, "application"), (49, "341 places")])
def test_what_is_found_at_many_routes_is_one_finding(large: Path, every: int, head: str) -> None:
    bare = LARGE.replace("timeout(30), csrf(),", "").replace("% 50", f"% {every}")
    (large / f"bare{every}.py").write_text(bare)
    text = told(large, "check", f"bare{every}:make_app")
    data = json.loads(told(large, "check", f"bare{every}:make_app", "--json"))

    assert re.findall(r"^warning RG302  (.*)$", text, re.MULTILINE) == [head]
    assert len(text.splitlines()) < 20
    (finding,) = data["findings"]
    assert len(finding["places"]) == 348 if every == 50 else 341
    if every == 49:
        assert "  POST /customers/{id}/orders/1/positions (" in text
        assert "  and 331 more, which --json names" in text
