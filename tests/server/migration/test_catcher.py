"""The service of the page on aiohttp-catcher, before and after, asked the same."""

import json

import pytest

from tests.server.migration import catcher_after, catcher_before
from tests.server.migration.test_applications import Ask


@pytest.mark.parametrize(
    "ask",
    [
        Ask("GET", "/orders/7"),
        Ask("POST", "/payments"),
        Ask("GET", "/share?of=4"),
        Ask("GET", "/share?of=0"),
    ],
    ids=str,
)
async def test_both_answer_the_same(ask: Ask) -> None:
    before = await ask.of(await catcher_before.make_app())
    after = await ask.of(await catcher_after.make_app())

    assert after.status == before.status
    assert json.loads(after.body) == json.loads(before.body)
