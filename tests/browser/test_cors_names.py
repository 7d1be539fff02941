"""The headers that `check` says no page can set, asked of a real browser."""

import pytest

from routeguard.policies.cors.field_findings import FORBIDDEN_REQUEST_HEADERS, is_forbidden
from routeguard.policies.cors.fields import DEFAULT_ALLOW_HEADERS
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ORDINARY = {"x-api-key", "if-none-match", "range", "cache-control", "x-forwarded-for", "proxied"}
OF_A_PREFIX = {"proxy-authorization", "proxy-x", "sec-fetch-site", "sec-x"}


async def test_what_a_browser_lets_no_page_set(visit: Open) -> None:
    names = sorted(FORBIDDEN_REQUEST_HEADERS | DEFAULT_ALLOW_HEADERS | ORDINARY | OF_A_PREFIX)
    page = await visit()
    refused = await page.page.evaluate(
        """
        names => names.filter(name => {
            const request = new Request("/", {headers: {[name]: "1"}});
            return !request.headers.has(name);
        })
        """,
        names,
    )
    # Chromium has not followed the standard in letting pages set User-Agent.
    assert set(refused) - {"user-agent"} == {name for name in names if is_forbidden(name)}
