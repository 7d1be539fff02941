"""What the examples say about themselves can be done: the commands in their first lines."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block
from tests.docs.page import Page

EXAMPLES = sorted(
    [*(ROOT / "examples").glob("[!_]*.py"), ROOT / "examples" / "tour" / "__init__.py"]
)
COMMAND = re.compile(r"^    ((?:curl|python -m routeguard) .*)$", re.MULTILINE)

NOT_RUN = {"curl -N localhost:8080/prices": "never ends; tests/server reads the stream"}


def said_by(path: Path) -> list[str]:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return [command.partition("  #")[0].strip() for command in COMMAND.findall(docstring)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
# aiohttp-session keeps its storage in the request under a plain string.
@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
def test_commands_in_the_docstring(path: Path, tmp_path: Path) -> None:
    commands = said_by(path)
    assert commands, f"{path.name} does not say what to try"
    run = [command for command in commands if command not in NOT_RUN]
    name = str(path.relative_to(ROOT))
    if path.name != "__init__.py":
        run = [f"python {name}", *run]
    told: list[str] = []
    page = Page(name, tmp_path, lambda program: program)
    page.said = lambda command, got: told.append(got)

    page.follow([Block("console", "".join(f"$ {one}\n" for one in run), 1, "")])

    assert all(told)


def test_what_is_left_out_is_said_somewhere() -> None:
    assert NOT_RUN.keys() <= {command for path in EXAMPLES for command in said_by(path)}
