"""Several `headers` in one rule, or among the fallbacks."""

import pytest
from aiohttp import web

from routeguard import ConfigError, exempt, headers, rule, setup


def test_two_in_one_list_name_different_headers() -> None:
    rule("/*", headers({"X-A": "1"}), headers({"X-B": "1"}), headers({"Vary": "a"}))
    setup(web.Application(), headers({"Vary": "a", "X-A": "1"}), headers({"Vary": "b"}))


def test_a_header_that_two_in_one_list_name_is_told() -> None:
    with pytest.raises(ConfigError, match="both name X-B, x-a: name each header once"):
        rule("/*", headers({"X-A": "1", "x-b": "2"}), headers({"x-a": "1", "X-B": None}))
    with pytest.raises(ConfigError, match="both name X-A"):
        setup(web.Application(), headers({"X-A": "1"}), headers({"X-A": "1"}))


def test_exempt_takes_the_kind_and_no_value_of_it() -> None:
    exempt(headers)
    with pytest.raises(ConfigError, match=r"exempt\(headers\)"):
        exempt(headers({"X-A": "1"}))
