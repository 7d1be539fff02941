"""The page that documents the codes: complete, in step with the code, and its examples run."""

import re
from pathlib import Path

import pytest

from routeguard.finding import SEVERITIES
from routeguard.telling.codes import CODES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"
TEXT = PAGE.read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (RG\d+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_every_code_has_a_section_in_order() -> None:
    assert list(SECTIONS) == sorted(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_section_says_title_and_severity_and_shows_an_example(code: str) -> None:
    section = " ".join(SECTIONS[code].split())

    assert section.startswith(f"**{CODES[code]}** (")
    assert any(severity in section[:200] for severity in SEVERITIES)
    assert "```python" in section
    assert code == "RG104" or code == "RG501" or f'"{code}"' in section


def test_the_examples_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) > len(CODES)

    namespace: dict[str, object] = {"__name__": "checks_page"}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), namespace)
