"""Imports run downward between the parts of the package, and a kind stands for itself.

The imports are read from the source, those for type checkers alone included.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import routeguard

PACKAGE = Path(routeguard.__file__).parent

FACE, COMMANDS, ASKED, RESOLVED, KINDS, VALUE, RUNNING, INSIDE, GROUND = range(9, 0, -1)
LAYERS = {
    "__init__": FACE,
    "__main__": FACE,
    "cli": COMMANDS,
    "telling": ASKED,
    "serving": ASKED,
    "routes": RESOLVED,
    "policies": KINDS,
    "policy": VALUE,
    "opentelemetry": VALUE,
    "prometheus": VALUE,
    "running": RUNNING,
    "internals": INSIDE,
    "network": GROUND,
    "origins": GROUND,
}
"""The height of each part; a file that is not named is ground, which all others stand on."""

NOT_KINDS = {"order", "exempt"}
"""What in `policies/` is about all kinds: the order in which they nest, and leaving some out."""

Import = tuple[str, str]


def imports_of(module: str, source: str) -> Iterator[Import]:
    """What a module imports of the package: each as the module and what it imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            whole = node.module or ""
            # `from routeguard.policies.cors import telling` imports a module, too.
            names = [f"{whole}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((module, name) for name in names if name.partition(".")[0] == "routeguard")


def everything() -> list[Import]:
    found: list[Import] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found += imports_of(".".join(parts), path.read_text("utf-8"))
    return found


def part_of(module: str) -> str:
    parts = module.split(".")
    if len(parts) == 1 or (len(parts) == 2 and not is_part(parts[1])):
        return "__init__"  # a name of the face
    return parts[1]


def is_part(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def kind_of(module: str) -> str | None:
    """The folder or file of the kind that a module belongs to."""
    parts = module.split(".")
    if len(parts) < 3 or parts[1] != "policies" or parts[2] in NOT_KINDS | {"__init__"}:
        return None
    return parts[2]


def upward(imports: list[Import]) -> list[str]:
    found = []
    for importer, imported in imports:
        above, below = part_of(importer), part_of(imported)
        if above == below:
            continue
        mine, theirs = LAYERS.get(above, GROUND), LAYERS.get(below, GROUND)
        if theirs > mine or (theirs == mine and mine != GROUND):
            found.append(f"{importer} imports {imported}")
    return found


def between_kinds(imports: list[Import]) -> list[str]:
    return [
        f"{importer} imports {imported}"
        for importer, imported in imports
        if None not in (kind_of(importer), kind_of(imported))
        and kind_of(importer) != kind_of(imported)
    ]


def naming_kinds(imports: list[Import], folder: str, *but: str) -> list[str]:
    return [
        f"{importer} imports {imported}"
        for importer, imported in imports
        if importer.startswith(f"routeguard.{folder}.")
        and not importer.startswith(tuple(f"routeguard.{folder}.{one}" for one in but))
        and kind_of(imported) is not None
    ]


def test_every_part_has_its_layer_and_there_is_one_of_each() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert folders <= LAYERS.keys(), "a new folder needs its layer"
    assert LAYERS.keys() <= folders | files


def test_imports_run_downward() -> None:
    assert upward(everything()) == []


def test_no_kind_imports_another() -> None:
    assert between_kinds(everything()) == []


def test_of_serving_only_the_fast_lane_names_kinds() -> None:
    imports = everything()
    assert naming_kinds(imports, "serving", "fast_lane") == []
    assert naming_kinds(imports, "serving") != []  # the lane does, so the test sees what there is


def test_of_telling_only_checks_across_kinds_name_kinds() -> None:
    imports = everything()
    assert naming_kinds(imports, "telling", "checks.") == []
    assert naming_kinds(imports, "telling") != []
    assert naming_kinds(imports, "routes") == naming_kinds(imports, "cli") == []


def test_the_entry_of_the_command_line_is_an_entry_only() -> None:
    source = (PACKAGE / "__main__.py").read_text("utf-8")
    assert len(ast.parse(source).body) <= 4


@pytest.mark.parametrize(
    ("module", "source", "is_seen"),
    [
        ("routeguard.running.state", "from routeguard.policy import Policy", True),
        ("routeguard.policies.cors.policy", "from routeguard.routes import rules", True),
        ("routeguard.telling.explain", "from routeguard.serving.plan import Plan", True),
        ("routeguard.serving.setup", "import routeguard.telling.check", True),
        ("routeguard.paths", "from routeguard.running.state import State", True),
        ("routeguard.serving.plan", "from routeguard import cors", True),
        ("routeguard.policy", "if True:\n    from routeguard.routes.scope import Scope", True),
        ("routeguard.policies.cors.policy", "def f():\n    import routeguard.cli.main", True),
        ("routeguard.policies.cors.policy", "from routeguard.policy import Policy", False),
        ("routeguard.origins.patterns", "from routeguard.configuration import shown", False),
        ("routeguard.cli.main", "from routeguard.telling.check import check", False),
    ],
)
def test_an_import_upward_is_seen(module: str, source: str, *, is_seen: bool) -> None:
    assert bool(upward(list(imports_of(module, source)))) is is_seen


def test_an_import_of_another_kind_is_seen() -> None:
    source = "from routeguard.policies.csrf import csrf\nfrom routeguard.policies import timeout"
    imports = list(imports_of("routeguard.policies.cors.policy", source))
    assert len(between_kinds(imports)) == 2
    assert between_kinds(list(imports_of("routeguard.policies.order", source))) == []
    assert len(naming_kinds(list(imports_of("routeguard.serving.plan", source)), "serving")) == 2
