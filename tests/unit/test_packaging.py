"""The wheel: what is in it, what it says of itself, and that it works outside the checkout."""

import json
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# Run by an interpreter that knows of routeguard only what the wheel brought.
SERVES_A_REQUEST = """
import asyncio, json, sys
from importlib.metadata import version

from aiohttp import ClientSession, web

import routeguard


@routeguard.cors(origins=["https://app.example.com"])
async def greet(request):
    return web.Response(text="hello")


async def slow(request):
    await asyncio.sleep(60)


async def main():
    app = web.Application()
    app.router.add_get("/greeting", greet)
    app.router.add_get("/slow", slow)
    routeguard.setup(app, routeguard.rule("/slow", routeguard.timeout(0.05)))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = "http://127.0.0.1:%d" % runner.addresses[0][1]
    async with ClientSession(base) as client:
        origin = {"Origin": "https://app.example.com"}
        async with client.get("/greeting", headers=origin) as answer:
            greeting = [answer.status, await answer.text()]
            allowed = answer.headers.get("Access-Control-Allow-Origin")
        async with client.get("/slow") as answer:
            late = answer.status
    await runner.cleanup()
    json.dump(
        {
            "file": routeguard.__file__,
            "version": version("routeguard"),
            "greeting": greeting,
            "allowed": allowed,
            "late": late,
            "optional": sorted({"rich", "publicsuffixlist", "mimeparse"} & set(sys.modules)),
        },
        sys.stdout,
    )


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, object] = tomllib.load(file)["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy that holds only what a build may need."""
    directory = tmp_path_factory.mktemp("wheel")
    copy = directory / "routeguard-source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    litter = shutil.ignore_patterns("__pycache__")
    for name in ("routeguard", "tests", "examples"):
        shutil.copytree(ROOT / name, copy / name, ignore=litter)
    _pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(directory), str(copy))
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def _pip(*arguments: str) -> None:
    # No index: what the tests need is installed already, and they run without the network.
    command = [sys.executable, "-P", "-m", "pip", "--isolated", "-q", *arguments, "--no-index"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr


def _closure(*requirements: str) -> list[Distribution]:
    """The installed distributions of these requirements and of everything they require."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found[requirement.name] = distribution(requirement.name)
            waiting += map(Requirement, found[requirement.name].requires or ())
    return list(found.values())


def test_the_wheel_holds_the_package_and_nothing_else(names: set[str]) -> None:
    inside = {name for name in names if not name.startswith(f"routeguard-{VERSION}.dist-info/")}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "routeguard").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == expected
    assert {"routeguard/__init__.py", "routeguard/py.typed"} <= inside


def test_the_licence_is_mit_and_comes_along(
    wheel: Path, names: set[str], metadata: Message
) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    (name,) = (name for name in names if name.endswith("/licenses/LICENSE"))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_name_version_and_python_are_stated(metadata: Message) -> None:
    assert metadata["Name"] == "routeguard"
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_description_is_the_readme(metadata: Message) -> None:
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_requires_aiohttp_wrapt_and_yarl_only(metadata: Message) -> None:
    requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    unconditional = {each.name for each in requirements if each.marker is None}
    assert unconditional == {"aiohttp", "wrapt", "yarl"}
    extras = {
        extra: {
            each.name
            for each in requirements
            if each.marker and each.marker.evaluate({"extra": extra})
        }
        for extra in metadata.get_all("Provides-Extra", [])
    }
    assert extras == {
        "cli": {"rich", "publicsuffixlist"},
        "negotiation": {"python-mimeparse"},
        "redis": {"redis"},
        "opentelemetry": {"opentelemetry-api"},
        "prometheus": {"prometheus-client"},
    }


def test_every_requirement_has_a_lower_bound_and_only_aiohttp_an_upper_one(
    metadata: Message,
) -> None:
    """Of aiohttp 4 it is known that it breaks what is built on aiohttp 3."""
    for text in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(text)
        bounds = sorted(str(each) for each in requirement.specifier)
        above = ["<4"] if requirement.name == "aiohttp" else []
        assert bounds[:-1] == above, text
        assert bounds[-1].startswith(">="), text


def test_installed_alone_it_serves_requests(
    wheel: Path, project: dict[str, object], tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True, with_pip=False)
    python = str(environment / "bin" / "python")
    answer = subprocess.run(
        [python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    site_packages = Path(answer.stdout.strip())
    _pip("install", "--no-deps", "--target", str(site_packages), str(wheel))

    # The dependencies that are declared, and theirs: an import of anything else fails.
    dependencies = project["dependencies"]
    assert isinstance(dependencies, list)
    borrowed: set[Path] = set()
    for each in _closure(*dependencies):
        for file in each.files or ():
            if (top := file.parts[0]) not in {"..", "__pycache__"}:
                borrowed.add(Path(str(each.locate_file(top))))
    for path in borrowed:
        (site_packages / path.name).symlink_to(path)

    served = subprocess.run(
        [python, "-I", "-W", "error", "-c", SERVES_A_REQUEST],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert served.returncode == 0, served.stderr
    assert json.loads(served.stdout) == {
        "file": str(site_packages / "routeguard" / "__init__.py"),
        "version": VERSION,
        "greeting": [200, "hello"],
        "allowed": "https://app.example.com",
        "late": 504,
        "optional": [],
    }
