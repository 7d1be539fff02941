"""The tables' translations of URL collections mean what they mean to aiohttp-middlewares."""

import re
from collections.abc import Callable, Collection, Mapping

import pytest
from aiohttp import web
from aiohttp_middlewares.error import get_error_handler
from aiohttp_middlewares.utils import match_path, match_request
from yarl import URL

import routeguard
from routeguard import (
    NON_IDEMPOTENT_METHODS,
    cors,
    errors,
    exempt,
    explain,
    rule,
    shield,
    timeout,
)
from routeguard.routes.rules import Rule

Item = str | re.Pattern[str] | URL
Urls = Collection[Item] | Mapping[Item, str | Collection[str]]

METHODS = ("GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "POST", "PUT")
PATHS = ("/", "/orders", "/orders/", "/orders/7", "/slow", "/slower", "/previews", "/api/x", "/x")


def guarded(*entries: Rule | routeguard.Policy) -> web.Application:
    app = web.Application()
    routeguard.setup(app, *entries)
    return app


def covered(app: web.Application, kind: str) -> set[tuple[str, str]]:
    """The requests to which a policy of a kind applies, and bounds something."""
    found = set()
    for method in METHODS:
        for path in PATHS:
            policy = explain(app, method, path).policy(kind)
            if policy not in (None, timeout(None)):
                found.add((method, path))
    return found


def requests(applies: Callable[[str, str], bool]) -> set[tuple[str, str]]:
    return {(method, path) for method in METHODS for path in PATHS if applies(method, path)}


@pytest.mark.parametrize(
    ("urls", "rules"),
    [
        (
            {"/slow", re.compile(r"/api/")},
            [rule("/slow", timeout(None)), rule("/api/*", timeout(None))],
        ),
        (
            {"/slow": ["POST"], "/slower": "PUT"},
            [rule("POST /slow", timeout(None)), rule("PUT /slower", timeout(None))],
        ),
        (
            {re.compile(r"/orders/"): ["POST", "PUT"]},
            [rule(re.compile(r"/orders/"), timeout(None), methods=["POST", "PUT"])],
        ),
        ([URL("/slow")], [rule(URL("/slow"), timeout(None))]),
    ],
    ids=["collection", "dict", "regex and methods", "URL"],
)
def test_what_a_timeout_ignores(urls: Urls, rules: list[Rule]) -> None:
    there = requests(lambda method, path: not match_request(urls, method, path))
    assert covered(guarded(*rules, timeout(5)), "timeout") == there
    assert 0 < len(there) < len(METHODS) * len(PATHS)


@pytest.mark.parametrize(
    ("urls", "rules"),
    [
        (["/", re.compile(r"/orders/")], [rule("/", shield), rule("/orders/*", shield)]),
        (
            {"/orders": ["POST", "DELETE"], re.compile(r".*"): "PUT"},
            [
                rule("/orders", shield(methods=["POST", "DELETE"])),
                rule("/*", shield(methods="PUT")),
            ],
        ),
        (
            {re.compile(r"^/orders/.*$"): "GET", re.compile(r".*"): NON_IDEMPOTENT_METHODS},
            [
                rule(re.compile(r"^/orders/.*$"), shield(methods="GET")),
                rule(re.compile(r".*"), shield(methods=NON_IDEMPOTENT_METHODS)),
            ],
        ),
    ],
    ids=["collection", "dict", "ordered dict of regexes"],
)
def test_what_is_shielded_by_urls(urls: Urls, rules: list[Rule]) -> None:
    there = requests(lambda method, path: match_request(urls, method, path))
    assert covered(guarded(*rules), "shield") == there
    assert 0 < len(there) < len(METHODS) * len(PATHS)


@pytest.mark.parametrize(
    ("ignore", "rules"),
    [
        ({"/previews"}, [rule("/previews", exempt(shield))]),
        ({"/previews": ["POST"]}, [rule("POST /previews", exempt(shield))]),
    ],
    ids=["collection", "dict"],
)
def test_what_is_shielded_by_methods(ignore: Urls, rules: list[Rule]) -> None:
    there = requests(
        lambda method, path: (
            method in NON_IDEMPOTENT_METHODS and not match_request(ignore, method, path)
        )
    )
    assert covered(guarded(*rules, shield(methods=NON_IDEMPOTENT_METHODS)), "shield") == there


def test_the_urls_of_cors() -> None:
    urls: list[Item] = ["/orders", re.compile(r"/api/")]
    there = requests(lambda method, path: any(match_path(item, path) for item in urls))
    app = guarded(rule("/orders", cors("*")), rule("/api/*", cors("*")))
    assert covered(app, "cors") == there


def test_which_error_handler_answers() -> None:
    async def one(request: web.Request) -> web.Response:
        return web.Response()

    async def two(request: web.Request) -> web.Response:
        return web.Response()

    config = {"/orders": one, re.compile(r"/o"): two}
    app = guarded(rule("/orders", errors(one)), rule(re.compile(r"/o"), errors(two)))
    for path in PATHS:
        request = _Asked(URL(path))
        there = get_error_handler(request, config)  # type: ignore[arg-type]
        here = explain(app, "GET", path).policy("errors")
        assert (here.handler if isinstance(here, errors) else None) is there


class _Asked:
    """As much of a request as the other library looks at."""

    def __init__(self, url: URL) -> None:
        self.rel_url = url


def test_the_helpers_agree() -> None:
    items: list[Item] = ["/orders", URL("/slow"), re.compile(r"/orders/\d"), "/ORDERS"]
    several: list[Urls] = [
        items,
        {"/orders": "POST"},
        {re.compile(r"/o"): ["get", "PUT"], "/orders": ["POST"]},  # the first decides
    ]
    for path in PATHS:
        for item in items:
            assert routeguard.match_path(item, path) == match_path(item, path)
        for method in (*METHODS, "post"):
            for urls in several:
                there = match_request(urls, method, path)
                assert routeguard.match_request(urls, method, path) == there
