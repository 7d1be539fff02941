"""Where an instrumentation has replaced the name `web.Application`.

OpenTelemetry's does so: it sets the attribute to a subclass of its own. What aiohttp serves is any
instance of `aiohttp.web_app.Application`.
"""

import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web
from aiohttp.web_app import Application

import routeguard
from routeguard import check, explain, survey, timeout
from routeguard.cli.loading import load_application

PACKAGE = Path(routeguard.__file__).parent


async def page(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # aiohttp's own, against any subclass

    class Traced(Application):
        """What an instrumentation puts in the place of `web.Application`."""


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> web.Application:
    """An application, and one mounted in it, made before the name was replaced."""
    inner, outer = web.Application(), web.Application()
    inner.router.add_get("/x", timeout(5)(page))
    outer.router.add_get("/y", page)
    outer.add_subapp("/inner", inner)
    monkeypatch.setattr(web, "Application", Traced)
    return outer


def test_setup_and_every_question_take_a_genuine_application(app: web.Application) -> None:
    assert not isinstance(app, web.Application)

    routeguard.setup(app, timeout(30))
    assert [route.path for route in survey(app).routes] == ["/y", "/inner/x"]
    assert explain(app, "GET", "/inner/x").policy(timeout) == timeout(5)
    assert check(app) == ()


def test_the_command_line_takes_one_and_a_factory_of_one(
    app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("replaced_shop")
    module.app, module.make_app = app, lambda: app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "replaced_shop", module)

    assert load_application("replaced_shop:app") is app
    assert load_application("replaced_shop:make_app") is app


def test_an_instance_of_the_replacement_is_taken_too(app: web.Application) -> None:
    traced = web.Application()
    traced.router.add_get("/y", page)
    assert type(traced) is Traced

    routeguard.setup(traced, timeout(30))
    assert explain(traced, "GET", "/y").policy(timeout) == timeout(30)


def test_no_module_of_the_package_goes_by_the_name() -> None:
    asking = re.compile(
        r"(?:isinstance|issubclass)\([^#\n]*\bweb\.Application\b|case web\.Application"
    )
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if asking.search(line)
    ]
    assert found == []
