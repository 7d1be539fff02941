"""README and the documentation leave out nothing that they promise to have."""

import ast
import re
from pathlib import Path

import pytest

import routeguard
from tests.docs.blocks import ROOT, pages

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "routeguard"

DOCUMENTED = re.compile(r"^\.\. auto[a-z]+:: ([\w.]+)", re.MULTILINE)
TABLE_CELL = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)")


def test_the_reference_documents_every_public_name_once() -> None:
    texts = [page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md")]
    documented = sorted(name for text in texts for name in DOCUMENTED.findall(text))
    public = [name for name in documented if "." not in name]
    assert public == sorted(routeguard.__all__)


def test_the_reference_lists_every_public_name_in_its_index() -> None:
    index = (ROOT / "docs/reference/index.md").read_text(encoding="utf-8")
    listed = re.findall(r"`~routeguard\.(\w+)`", index)
    parts_of_others = {
        *("PolicyExplanation", "Considered", "SurveyedApplication", "SurveyedRoute"),
    }
    assert sorted(listed) == sorted(set(routeguard.__all__) - parts_of_others)


def test_the_readme_has_every_public_name_in_its_table() -> None:
    cells = TABLE_CELL.findall(README)
    named = [name for cell in cells for name in re.findall(r"`(\w+)", cell)]
    assert sorted(set(named)) == sorted(routeguard.__all__)


def test_the_readme_begins_with_the_two_commands() -> None:
    commands = re.findall(r"^\$ (.*)$", README, re.MULTILINE)
    assert commands[:2] == ["bash examples/run", "bash tests/run"]
    assert all((ROOT / command.split()[1]).is_file() for command in commands[:2])


def test_contributing_says_of_every_folder_what_it_holds() -> None:
    said = dict(re.findall(r"^\| `([\w/.]+)` \| (.*) \|$", CONTRIBUTING, re.MULTILINE))
    held = {path.name: first_line(path) for path in PACKAGE.glob("*.py")}
    held |= {f"{path.parent.name}/": first_line(path) for path in PACKAGE.glob("*/__init__.py")}
    missing = [f"| `{name}` | {line} |" for name, line in held.items() if said.get(name) != line]
    assert not missing, "write in docs/contributing.md:\n" + "\n".join(missing)
    own = {name for name in said if name.endswith(".py") or (PACKAGE / name).is_dir()}
    assert not own - held.keys(), "docs/contributing.md names what is not there"


def first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring is not None, f"{path.name} has no docstring"
    return docstring.partition("\n")[0]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link, _ in LINK.findall(page.read_text(encoding="utf-8"))]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing
