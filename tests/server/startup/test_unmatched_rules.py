"""Rules that no route can match are told at start-up, and no others."""

import logging
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRuleMatching, MatchedSubAppResource
from pytest_aiohttp import AiohttpClient
from yarl import URL

import routeguard
from routeguard import rule, timeout
from tests.server.startup.starting import start
from tests.support.seen import answer


async def unmatched(app: web.Application, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What start-up says of rules, with the application's rules numbered from one."""
    with caplog.at_level(logging.WARNING, "routeguard"):
        await start(app)
    records = [one for one in caplog.records if one.name == "routeguard"]
    assert all(one.levelno == logging.WARNING for one in records)
    return [one.getMessage() for one in records]


def names_of(messages: list[str]) -> list[tuple[int, str]]:
    """Positions and patterns, read out of the messages."""
    found = [re.search(r'rule (\d+) "(.*)"', message) for message in messages]
    return [(int(one[1]), one[2]) for one in found if one is not None]


async def test_rules_that_no_route_matches_are_logged_once_with_position_and_pattern(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = web.Application()
    app.router.add_get("/health", answer)
    app.router.add_get("/users/{id:[0-9]+}", answer)
    routeguard.setup(
        app,
        rule("/healht", timeout(1)),
        rule("/health", timeout(1)),
        timeout(9),
        rule("/users/{name}", timeout(1)),
        rule("POST,PUT /userss/*", timeout(1)),
        rule("/health/*", timeout(1)),
        rule("/users/abc", timeout(1)),
        rule("/missing", timeout(1), methods="GET"),
        rule(re.compile(r"/nowhere"), timeout(1)),
        rule(URL("/elsewhere"), timeout(1)),
    )
    messages = await unmatched(app, caplog)
    assert names_of(messages) == [
        (1, "/healht"),
        (3, "/users/{name}"),
        (4, "POST,PUT /userss/*"),
        (5, "/health/*"),
        (6, "/users/abc"),
        (7, "GET /missing"),
        (9, "/elsewhere"),
    ]
    assert all("matches no route" in message for message in messages)


async def test_rules_that_some_route_matches_are_not_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    inner, domain, site = web.Application(), web.Application(), web.Application()
    inner.router.add_get("/deep/{x}/end", answer)
    inner.router.add_get("", answer)
    domain.router.add_get("/only/here", answer)
    for path in ("/", "/exact", "/users/{id}", "/files/{tail:.*}", "/a/b/c", "/v{n}/x"):
        site.router.add_get(path, answer)
    site.router.add_get("/naïve", answer)
    site.router.add_static("/static", tmp_path)
    site.add_subapp("/inner", inner)
    site.add_domain("shop.example", domain)
    patterns = [
        "/", "/exact", "DELETE /exact", "/users/{id}", "/users/7", "/users/*", "/files/{tail}",
        "/files/a/b", "/files/a/*", "/files/*", "/a/*", "/a/b/*", "/*", "/v1/x", "/v1/*",
        "/v{n}/x", "/static/*", "/static/css/*", "/static/site.css", "/static/{x}"[:7],
        "/inner/*", "/inner/deep/{x}/end", "/inner/deep/1/end", "/inner/deep/*", "/inner",
        "/only/here", "/only/*", "/naïve",
    ]  # fmt: skip
    routeguard.setup(site, *(rule(pattern, timeout(1)) for pattern in patterns))
    assert names_of(await unmatched(site, caplog)) == []


@pytest.mark.parametrize("parent_is_set_up", [False, True])
async def test_rules_of_a_mounted_application_are_tried_below_its_mount_point(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, parent_is_set_up: bool
) -> None:
    inner, middle, site = web.Application(), web.Application(), web.Application()
    for path in ("/exact", "/users/{id}", "/files/{tail:.*}", "/"):
        inner.router.add_get(path, answer)
    inner.router.add_static("/static", tmp_path)
    patterns = ["/exact", "/users/{id}", "/users/7", "/users/*", "/files/x", "/static/*", "/", "/*"]
    wrong = ["/site/inner/exact", "/inner/users/{id}", "/site/*"]
    routeguard.setup(inner, *(rule(pattern, timeout(1)) for pattern in patterns + wrong))
    middle.add_subapp("/inner", inner)
    site.add_subapp("/site", middle)
    if parent_is_set_up:
        routeguard.setup(site, rule("/site/inner/exact", timeout(1)), rule("/site/*", timeout(1)))
    assert [name for _, name in names_of(await unmatched(site, caplog))] == wrong


async def test_a_canonical_rule_for_a_method_that_its_resource_lacks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = web.Application()
    app.router.add_get("/users/{id}", answer)
    app.router.add_route("*", "/any/{id}", answer)
    app.router.add_view("/view/{id}", type("Page", (web.View,), {}))
    routeguard.setup(
        app,
        rule("GET /users/{id}", timeout(1)),
        rule("POST /users/{id}", timeout(1)),  # a 405 has no resource
        rule("POST /any/{id}", timeout(1)),
        rule("POST /view/{id}", timeout(1)),
    )
    assert names_of(await unmatched(app, caplog)) == [(2, "POST /users/{id}")]


async def test_a_prefix_rule_below_what_a_placeholder_can_take(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = web.Application()
    app.router.add_get("/{name}", answer)  # one segment, and none below it
    app.router.add_get("/{year}/{month}", answer)
    routeguard.setup(
        app,
        rule("/*", timeout(1)),
        rule("/2020/*", timeout(1)),
        rule("/2020/01/*", timeout(1)),
    )
    assert names_of(await unmatched(app, caplog)) == [(3, "/2020/01/*")]


async def test_a_prefix_rule_below_segments_with_texts_of_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = web.Application()
    app.router.add_get("/{user}/posts/v{version}.{part}/{id}", answer)
    routeguard.setup(
        app,
        rule("/ann/posts/*", timeout(1)),
        rule("/ann/photos/*", timeout(1)),
        rule("/ann/posts/v2.1/*", timeout(1)),
        rule("/ann/posts/w2.1/*", timeout(1)),
        rule("/ann/posts/v2-1/*", timeout(1)),  # the dot stands for itself
    )
    assert names_of(await unmatched(app, caplog)) == [
        (2, "/ann/photos/*"),
        (4, "/ann/posts/w2.1/*"),
        (5, "/ann/posts/v2-1/*"),
    ]


class ByQuery(AbstractRuleMatching):
    """A condition of one's own on a sub-application, which asks for more than path and headers."""

    async def match(self, request: web.Request) -> bool:
        return "inner" in request.query

    def get_info(self) -> dict[str, object]:  # type: ignore[override]
        return {}

    @property
    def canonical(self) -> str:
        return "by query"


class Waiting(ByQuery):
    """A condition that waits for something."""

    async def match(self, request: web.Request) -> bool:
        await request.read()
        return "inner" in request.query


@pytest.mark.parametrize("condition", [ByQuery, Waiting])
async def test_a_condition_of_ones_own_on_a_sub_application_does_not_stop_the_start(
    aiohttp_client: AiohttpClient, condition: type[ByQuery]
) -> None:
    inner, site = web.Application(), web.Application()
    inner.router.add_get("/x", answer)
    inner.router.add_get("/z", answer)
    site.router.add_get("/site/{name}", timeout(1)(answer))
    inner.pre_freeze()
    site.router.register_resource(MatchedSubAppResource(condition(), inner))
    routeguard.setup(site, rule("/x", timeout(2)), rule("/site/y", timeout(3)))
    client = await aiohttp_client(site)
    for path, seconds in (("/x?inner", 2), ("/site/y", 1), ("/z?inner", None)):
        async with client.get(path) as response:
            assert (await response.json())["timeout"] == seconds
