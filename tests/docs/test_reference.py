"""The reference names every exception, logger and event that the code has, and no other."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import get_args

from aiohttp import web

import routeguard
from routeguard.running.events import Action
from tests.docs.blocks import ROOT

PACKAGE = ROOT / "routeguard"
REFERENCE = ROOT / "docs" / "reference"
ACTIONS = frozenset(get_args(Action))


def rows(page: str) -> list[list[str]]:
    """The cells of the rows of a page's tables."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def strings(tree: ast.AST) -> set[str]:
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_public_exception_is_told_with_its_base_and_status() -> None:
    told = {
        match[1]: cells[1:]
        for cells in rows("exceptions.md")
        if (match := re.fullmatch(r"\{py:exc\}`~routeguard\.(\w+)`", cells[0]))
    }
    public = {name: getattr(routeguard, name) for name in routeguard.__all__}
    raised = {
        name: one
        for name, one in public.items()
        if isinstance(one, type) and issubclass(one, BaseException)
    }
    assert told.keys() == raised.keys()
    for name, kind in raised.items():
        base = told[name][0].strip("`").rpartition(".")[2]
        assert base in {one.__name__ for one in kind.__mro__[1:]}
        status = getattr(kind, "status_code", getattr(kind, "status", None))
        if status is not None:
            assert told[name][1] == str(HTTPStatus(status).value)
    assert issubclass(routeguard.ConfigError, ValueError)


def test_the_statuses_of_aiohttp_s_own_exceptions_are_theirs() -> None:
    told = [cells for cells in rows("exceptions.md") if cells[0].startswith("`aiohttp.web.")]
    assert told
    for cells in told:
        kind = getattr(web, cells[0].strip("`").removeprefix("aiohttp.web."))
        assert cells[1] == str(kind.status_code)


def test_every_logger_is_told() -> None:
    names = {
        argument.value
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("getLogger")
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    told = [cells[0].strip("`") for cells in rows("logging.md")]
    assert {name for name in told if name.startswith("routeguard")} == names


def test_every_event_is_told() -> None:
    told: dict[str, set[str]] = {}
    for policy, action, *_ in rows("events.md")[2:]:
        told.setdefault(policy.strip("`"), set()).add(action.strip("`"))

    sent: dict[str, set[str]] = {}
    for path, tree in sources():
        kinds = {
            argument.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("place.tell")
            for argument in node.args[1:2]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        }
        for kind in kinds:
            sent.setdefault(kind, set()).update(strings(tree) & ACTIONS)
        assert len(kinds) <= 1, f"{path}: whose action is which?"
    assert told == sent
