"""The oracle for `cors` itself; `test_any_text.py` holds servers against it."""

import pytest

from tests.server.cors.oracle import ALLOWED, CASES, may_read, may_send


@pytest.mark.parametrize("name", CASES)
def test_the_oracle_admits_what_each_policy_is_for(name: str) -> None:
    assert may_read(CASES[name], [ALLOWED[name]]) == ALLOWED[name]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["https://evil.org"],
        ["https://app.example.com.evil.org"],
        ["https://app.example.com:443"],
        ["https://app.example.com", "https://app.example.com"],
        ["https://app.example.\u212aom"],
        ["https://app.example.com."],
        ["http://localhost:080"],
        ["https://x.tenant/"],
        ["NULL"],
    ],
    ids=str,
)
def test_the_oracle_refuses_what_nobody_asked_for(name: str, lines: list[str]) -> None:
    assert may_read(CASES[name], lines) is None


@pytest.mark.parametrize(
    ("name", "lines", "verdict"),
    [
        ("exact", [], True),
        ("exact", ["accept,\tAUTHORIZATION"], True),
        ("exact", ["accept", "x-key"], False),
        ("exact", ["accept x-key"], False),
        ("exact", ["x-csrfto\u212aen"], False),
        ("exact", ["*"], False),
        ("subdomain", ["X-Key"], True),
        ("subdomain", ["accept"], False),
        ("regex", ["authorization, x-any"], True),
        ("regex", ["x any"], False),
        ("predicate", ["x-any"], True),
        ("predicate", ["Authorization"], False),
    ],
)
def test_the_oracle_tells_which_headers_may_be_sent(
    name: str, lines: list[str], verdict: bool
) -> None:
    assert may_send(CASES[name], lines) is verdict
