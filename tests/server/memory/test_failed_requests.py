"""A failed request is freed as soon as it is answered, its body with it.

The cyclic collector does not run here, so that what a cycle holds stays. Plain aiohttp is the
control: what it frees must be freed with every policy. It has cycles of its own, where an
`HTTPException` reaches it and where a response has started; where an error handler answers, these
are gone as well.
"""

import asyncio

import pytest

from routeguard.serving import fast_lane
from tests.server.memory.freeing import (
    COLUMNS,
    FAILURES,
    application,
    by_aiohttp,
    freed,
    is_answered,
    upload,
)
from tests.support.extent import part


@pytest.mark.parametrize("lane", [True, False], ids=["", "no lane"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_request_whose_handler_fails(
    column: str, lane: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_lane, "IS_OPEN", lane)
    policies = COLUMNS[column]
    answered = is_answered(policies)
    expected = [
        (stage, raised)
        for stage, raised in FAILURES
        if (stage, raised) in by_aiohttp() or (answered and raised != "redirect")
    ]
    assert len(expected) >= 6
    tried = part(expected, 3)
    held = set(tried) - asyncio.run(freed(application(upload, *policies), tried))
    assert held == set()


@pytest.mark.parametrize("column", ["errors", "timeout", "shield", "lane", "errors, many", "again"])
def test_in_a_sub_application(column: str) -> None:
    policies = COLUMNS[column]
    answered = is_answered(policies)
    expected = [
        (stage, raised)
        for stage, raised in FAILURES
        if (stage, raised) in by_aiohttp() or (answered and raised != "redirect")
    ]
    app = application(upload, *policies, within=True)
    assert set(expected) - asyncio.run(freed(app, expected, "/within")) == set()
