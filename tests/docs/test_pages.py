"""Every code block of README and the documentation does what the page says."""

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of, pages
from tests.docs.notrun import NOT_RUN
from tests.docs.page import Page

NAMES = [str(path.relative_to(ROOT)) for path in pages()]


@pytest.mark.usefixtures("loggers_as_before")
@pytest.mark.parametrize("name", NAMES)
def test_page(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def program(fixture: str) -> str:
        found: str = request.getfixturevalue(fixture)
        return found

    page = Page(name, tmp_path, program)
    page.follow(blocks_of(ROOT / name))

    left_out = {key for key in NOT_RUN if key[0] == name}
    assert page.left_out == left_out, "NOT_RUN names commands that the page does not have"


def test_what_is_not_run_is_on_pages_that_exist() -> None:
    assert {name for name, _ in NOT_RUN} <= set(NAMES)
