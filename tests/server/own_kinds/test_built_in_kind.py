"""A kind is added to the library through three places: its file, the face, the order.

A copy of the package gets one, and a process that imports the copy uses it in every way there is.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import routeguard

PACKAGE = Path(routeguard.__file__).parent
PATIENCE = 120.0  # seconds; a bound for a process that hangs

KIND = '''
"""`stamped`: every answer bears a stamp, and requests without one of their own may be refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web

from routeguard.asking import Asked, Stated
from routeguard.finding import Finding
from routeguard.policy import Handler, Policy

__all__ = ["stamped"]


@dataclass(frozen=True, slots=True)
class stamped(Policy):
    """Every answer bears a stamp."""

    finding_codes: ClassVar[Mapping[str, str]] = {"RG801": "a stamp that says nothing"}

    text: str

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if "X-Unstamped" in request.headers:
            raise web.HTTPPaymentRequired(text="no stamp")
        request["trail"] = [*request.get("trail", ()), "stamped"]
        return await handler(request)

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Stamp"] = self.text

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        yield "stamp", f"{self.text!r} on the answer to {asked.request.path}"

    def findings(self, stated: Stated) -> Iterator[Finding]:
        if not self.text:
            yield Finding("RG801", "error", stated.place, "the stamp is empty", "stamped('paid')")
'''

USE = """
import asyncio, json, sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import routeguard
from routeguard import (
    Policy, check, cors, csrf, errors, exempt, explain, problem_details, rule, stamped, survey,
    timeout,
)

PAGE = "https://shop.example"


@dataclass(frozen=True, slots=True)
class followed(Policy):
    async def handle(self, request, handler):
        request["trail"] = [*request.get("trail", ()), "followed"]
        return await handler(request)


async def page(request):
    return web.json_response(request.get("trail", []))


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"part")
    return response


async def fails(request):
    raise LookupError("gone")


def make_app():
    app = web.Application()
    app.router.add_get("/page", stamped("own")(page))
    app.router.add_post("/page", page)
    app.router.add_get("/stream", stream)
    app.router.add_static("/files", Path(__file__).parent)
    app.router.add_get("/fails", fails)
    app.router.add_get("/bare", exempt(errors)(fails))
    app.router.add_get("/exempt", exempt(stamped)(page))
    app.router.add_get("/ruled/{id}", page)
    routeguard.setup(
        app, rule("/ruled/{id}", stamped("ruled")),
        stamped("all"), followed(), timeout(5), errors(problem_details), cors(PAGE), csrf(),
    )
    return app


async def asked():
    told = {}
    async with TestClient(TestServer(make_app())) as client:

        async def ask(path, method="GET", **headers):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            async with client.request(method, path, headers={"Origin": PAGE, **headers}) as answer:
                return [
                    answer.status,
                    answer.headers.get("X-Stamp"),
                    "Access-Control-Allow-Origin" in answer.headers,
                    await answer.text() if path in ("/page", "/exempt") else "",
                ]

        for path in sys.argv[1:]:
            told[path] = [await ask(path), await ask(path)]
        told["refused"] = await ask("/ruled/1", X_Unstamped="1")
        foreign = {"X_Unstamped": "1", "Sec_Fetch_Site": "cross-site"}
        told["csrf first"] = (await ask("/page", "POST", **foreign))[:2]
    return told


def command(*arguments):
    from routeguard.cli.main import main

    written = StringIO()
    with redirect_stdout(written):
        main(arguments)
    return written.getvalue()


def faulty():
    app = web.Application()
    app.router.add_get("/", stamped("")(page))
    routeguard.setup(app)
    return app


surveyed = survey(make_app())
told = {
    "file": routeguard.__file__,
    "asked": asyncio.run(asked()),
    "kinds": surveyed.kinds,
    "explained": str(explain(make_app(), "GET", "/page")),
    "routes": command("routes", "use:make_app"),
    "json": json.loads(command("routes", "use:make_app", "--only", "stamped", "--json")),
    "found": [(one.code, one.severity, one.place) for one in check(faulty())],
    "ignored": len(check(faulty(), ignore=["RG801"])),
    "--ignore": command("check", "use:faulty", "--ignore", "rg801"),
}
print(json.dumps(told))
"""


IMPORT = "from routeguard.policies.timeout.policy import"
ANSWERS = {
    "/page": [200, "own", True, '["stamped", "followed"]'],
    "/stream": [200, "all", True, ""],
    "/files/use.py": [200, "all", True, ""],
    "/missing": [404, "all", True, ""],
    "/fails": [500, "all", True, ""],
    "/bare": [500, "all", True, ""],
    "/exempt": [200, None, True, '["followed"]'],
    "/ruled/1": [200, "ruled", True, ""],
}
"""By path: the status, the stamp, whether cors has written its header, and the trail."""


def changed(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text("utf-8")
    for before, after in pairs:
        assert text.count(before) == 1, f"{path.name} has not one {before!r}"
        text = text.replace(before, after)
    path.write_text(text, "utf-8")


@pytest.fixture(scope="module", params=["on", "off"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the process saw, with the fast lane and without."""
    folder = tmp_path_factory.mktemp("copy")
    copy = folder / "routeguard"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "policies" / "stamped.py").write_text(KIND, "utf-8")
    changed(
        copy / "__init__.py",
        (IMPORT, f"from routeguard.policies.stamped import stamped\n{IMPORT}"),
        ('    "shielded_count",\n', '    "shielded_count",\n    "stamped",\n'),
    )
    changed(
        copy / "policies" / "order.py",
        (IMPORT, f"from routeguard.policies.stamped import stamped\n{IMPORT}"),
        ("    csrf,\n", "    csrf,\n    stamped,\n"),
    )
    (folder / "use.py").write_text(USE, "utf-8")
    lane = str(request.param)
    done = subprocess.run(
        [sys.executable, "use.py", *ANSWERS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "ROUTEGUARD_FAST_LANE": lane, "COLUMNS": ""},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["file"]).parent == copy
    return found


def test_it_decides_nests_at_its_place_and_marks_whatever_leaves(told: Any) -> None:
    asked = told["asked"]
    for path, answer in ANSWERS.items():
        assert asked[path] == [answer, answer], path
    # Inside errors and cors, which answer what it raises; inside csrf, which refuses before it.
    assert asked["refused"] == [402, "ruled", True, ""]
    assert asked["csrf first"] == [403, "all"]


def test_explain_routes_and_data_have_it(told: Any) -> None:
    kinds = told["kinds"]
    assert kinds[kinds.index("csrf") + 1] == "stamped"
    assert "  stamped   stamped(text='own')  (decorator)\n" in told["explained"]
    assert "not stamped(text='all')  (fallback): decorator is nearer" in told["explained"]
    assert told["explained"].endswith("  stamp     'own' on the answer to /page")
    assert told["routes"].count("stamped(text='all')") == 1
    assert "exempt(stamped)" in told["routes"]
    assert told["json"]["kinds"] == ["stamped"]
    assert told["json"]["applications"][0]["fallbacks"] == {"stamped": ["stamped(text='all')"]}
    ruled = next(one for one in told["json"]["routes"] if one["path"] == "/ruled/{id}")
    assert ruled["policies"]["stamped"]["applies"] == ["stamped(text='ruled')"]


def test_check_has_its_finding(told: Any) -> None:
    ((code, severity, place),) = told["found"]
    assert (code, severity) == ("RG801", "error")
    assert place == "decorator of __main__.page"
    assert told["ignored"] == 0
    assert told["--ignore"] == "nothing found\n"
