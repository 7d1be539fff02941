"""What `python -m routeguard` makes of its arguments: targets, factories, mistakes, extras."""

import json
import os
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest
from aiohttp import web

import routeguard
from routeguard.cli.loading import load_application
from routeguard.cli.main import main
from tests.server.command.commandline import SHOP, TOUR, data, environment, run

MODULE = """
import asyncio
import sys
from aiohttp import web
import routeguard

class Settings:
    def make(self):
        return make()

def make():
    print("starting", file=sys.stdout)
    app = web.Application()
    routeguard.setup(app)
    return app

async def page(request):
    return web.Response()

async def make_later():
    await asyncio.sleep(0)
    return make()

def make_awaitable():
    return make_later()

def make_from(arguments):
    app = make()
    for path in arguments:
        app.router.add_get(path, page)
    return app

def make_perhaps(arguments=None):
    return make_from(arguments or ["/default"])

def make_with(settings, *, debug):
    raise AssertionError

def make_nothing():
    return None

def make_trouble():
    raise LookupError("no database\\nat all")

async def make_trouble_later():
    raise LookupError

def make_exit():
    sys.exit("usage: ...")

settings = Settings()
app = make()
bare = web.Application()
number = 5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("targets")
    (made / "mine.py").write_text(MODULE)
    (made / "package").mkdir()
    (made / "package" / "__init__.py").touch()
    (made / "package" / "inner.py").write_text("from mine import *")
    (made / "imports_missing.py").write_text("import no_such_thing")
    (made / "raises.py").write_text("print('x')\nraise RuntimeError('first\\nsecond')")
    (made / "broken.py").write_text("def x(:")
    (made / "misconfigured.py").write_text(
        "import routeguard as r\nfrom aiohttp import web\n"
        "r.setup(web.Application(), r.rule('api/*', r.timeout(5)), r.cors)\n"
    )
    return made


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes the path of its process, which here is that of all tests."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("nowhere:app", "there is no module 'nowhere'"),
        ("package.nowhere:app", "there is no module 'package.nowhere'"),
        ("imports_missing:app", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raises:app", "importing raises failed: RuntimeError: first second (--traceback"),
        ("broken:app", "importing broken failed: SyntaxError: "),
        ("misconfigured:app", "ConfigError: "),
        ("mine:ap", "has no attribute 'ap': did you mean 'app'?"),
        ("mine:zzz", "has no attribute 'zzz': did you mean 'app'?"),
        ("mine:number", "mine:number is an object of type int"),
        ("mine:Settings", "mine:Settings is the class Settings"),
        ("mine:make_nothing", "mine:make_nothing made None"),
        ("mine:make_trouble", "mine:make_trouble() failed: LookupError: no database at all"),
        ("mine:make_trouble_later", "mine:make_trouble_later() failed: LookupError (--tr"),
        ("mine:make_exit", "mine:make_exit() failed: SystemExit: usage: ..."),
        ("mine:make_with", "make_with(settings, *, debug) takes more than"),
        ("mine", "'mine' names no target: write mine:app"),
        ("mine:", "'mine:' names no target: write mine:app"),
        (":app", "':app' names no target: write package.module:app"),
        ("mine.py:app", "'mine.py:app' names no target: write mine:app"),
        ("./package/inner.py:app", "names no target: write package.inner:app"),
        (".mine:app", "names no target: write mine:app"),
    ],
)
@pytest.mark.usefixtures("in_folder")
def test_a_target_that_cannot_be_had_is_told_in_one_line(
    target: str,
    told: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["routes", target]) == 2

    out, err = capfd.readouterr()
    assert out == ""
    *printed, line = err.splitlines()
    assert line.startswith("python -m routeguard: ")
    assert told in line
    assert printed in ([], ["x"], ["starting"])  # by the module itself


@pytest.mark.parametrize("target", ["nowhere:app", "raises:app"])
def test_a_target_that_cannot_be_had_is_status_two(folder: Path, target: str) -> None:
    done = run("routes", target, cwd=folder)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.removeprefix("x\n").splitlines()) == 1
    assert done.stderr.removeprefix("x\n").startswith("python -m routeguard: ")


def test_traceback_shows_where_the_applications_own_code_failed(folder: Path) -> None:
    done = run("check", "mine:make_trouble", "--traceback", cwd=folder)

    assert done.returncode == 2
    assert 'raise LookupError("no database\\nat all")' in done.stderr
    assert done.stderr.splitlines()[-1].startswith("python -m routeguard: mine:make_trouble() fai")


def test_a_factory_of_the_current_directory_is_found(folder: Path) -> None:
    done = run("check", "mine:make_later", "--json", cwd=folder)

    assert done.returncode == 0
    # What a factory prints is no part of the answer.
    assert json.loads(done.stdout) == {"findings": []}
    assert "starting" in done.stderr


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    "target",
    "mine:app mine:make mine:settings.make package.inner:make_awaitable".split(),
)
def test_applications_and_factories_of_all_kinds_are_found(target: str) -> None:
    assert isinstance(load_application(target), web.Application)


@pytest.mark.usefixtures("in_folder")
def test_a_factory_gets_what_follows_the_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    def paths(*arguments: str) -> list[str]:
        assert main(["routes", "--json", *arguments]) == 0
        return [route["path"] for route in json.loads(capsys.readouterr().out)["routes"]]

    assert paths("mine:make_from") == []
    assert paths("mine:make_from", "--", "/a", "/--b") == ["/a", "/--b"]
    assert paths("mine:make_perhaps") == ["/default"]
    assert paths("mine:make_perhaps", "--", "/a") == ["/a"]


def test_the_async_factory_of_the_shop() -> None:
    assert data("routes", "tests.server.command.shop:make_app_later") == data("routes", SHOP)


@pytest.mark.usefixtures("in_folder")
def test_an_application_that_is_not_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "mine:bare", "GET", "/x"]) == 2
    assert capsys.readouterr().err.endswith("no application around /x was given to setup\n")

    assert main(["check", "mine:bare"]) == 1
    assert capsys.readouterr().out.startswith("error RG106  application\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("routes", TOUR, "--only", "corss"),
            "no kind of policy is 'corss': proxied, https, cors, ",
        ),
        (("check", TOUR, "--ignore", "RG999"), "'RG999' is no code: there are RG101, "),
        (("explain", TOUR, "GET", "orders"), "a path begins with /"),
        (("explain", TOUR, "GET", "/x", "--header", "nothing"), "'nothing' is no header"),
        (("explain", TOUR, "GET"), "/PATH"),
        (("routes",), "MODULE:ATTRIBUTE"),
        ((), "COMMAND"),
        (("paint", TOUR), "paint"),
    ],
)
def test_wrong_arguments_are_told(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(arguments)
    except SystemExit as refused:  # argparse's own
        status = int(str(refused.code))

    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert told in err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    def helped(*arguments: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        return capsys.readouterr().out

    assert helped("--version") == f"{version('routeguard')}\n"
    assert all(command in helped("--help") for command in ("routes", "explain", "check"))
    assert "--only" in helped("routes", "--help")
    assert "--header" in helped("explain", "--help")
    assert "--ignore" in helped("check", "--help")


# --- without the extra ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with all that is installed but for the extra `cli`."""
    packages = tmp_path_factory.mktemp("packages")
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            name = entry.name.partition("-")[0]
            if name not in ("rich", "publicsuffixlist") and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    where = str(Path(routeguard.__file__).parents[1])
    return environment(PYTHONPATH=os.pathsep.join([where, str(packages)]))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("routes", "mine:app"), "rich is not installed: pip install 'routeguard[cli]'"),
        (("explain", "mine:app", "GET", "/"), "pip install 'routeguard[cli]'"),
        (("check", "mine:app"), "pip install 'routeguard[cli]'"),
        (("check", "mine:app", "--json"), "check needs publicsuffixlist: pip install 'routeg"),
    ],
)
def test_without_the_extra_the_commands_say_what_to_install(
    bare: dict[str, str], folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = run(*arguments, cwd=folder, env=bare, options=("-P", "-S"))

    assert (done.returncode, done.stdout) == (2, "")
    *_, line = done.stderr.removeprefix("starting\n").splitlines()
    assert told in line


def test_data_needs_no_extra(bare: dict[str, str], folder: Path) -> None:
    done = run("routes", "mine:app", "--json", cwd=folder, env=bare, options=("-P", "-S"))

    assert done.returncode == 0
    assert json.loads(done.stdout)["routes"] == []
