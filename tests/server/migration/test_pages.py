"""The migration pages: what they show happens, and nothing of the other libraries is left out."""

import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import aiohttp_catcher  # type: ignore[import-untyped]
import aiohttp_cors
import aiohttp_middlewares
import aiohttp_remotes
import aiohttplimiter
import aiojobs
import aiojobs.aiohttp
import pytest
from aiohttp_middlewares import annotations, constants, cors, error, https, shield, timeout, utils

from tests.server.migration.pages import Shown, answered, printed, shown_in

PAGES = Path(__file__).resolve().parents[3] / "docs" / "migration"
SHOWN = {
    "aiohttp-middlewares": "aiohttp-middlewares",
    "aiohttp-cors": "aiohttp-cors",
    "aiojobs": "aiojobs",
    "aiohttp-remotes": "aiohttp-remotes",
    "aiohttp-catcher": "aiohttp-catcher",
    "code-of-your-own": "by hand",
}
"""Each page with exchanges, and what it calls the other side."""

EVERYTHING = [
    (peer, shown) for page, peer in SHOWN.items() for shown in shown_in(PAGES / f"from-{page}.md")
]

pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning"),
    # What a peer leaves behind where it fails.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]


@pytest.mark.parametrize(("peer", "shown"), EVERYTHING, ids=str)
def test_what_a_page_shows_is_what_happens(peer: str, shown: Shown) -> None:
    output, names = printed(shown)
    if shown.is_exchange:
        assert asyncio.run(answered(shown, peer, names)) == shown.text
    else:
        assert output == shown.text


def _tables(peer: str) -> str:
    lines = (PAGES / f"from-{peer}.md").read_text().splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


def _is_told(name: str, tables: str) -> bool:
    return re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`", tables) is not None


def _parameters(module: ModuleType, names: list[str]) -> Iterator[str]:
    for name in names:
        yield name
        member = getattr(module, name)
        if inspect.isclass(member) or inspect.isfunction(member):
            yield from (one for one in _signature(member) if one not in ("self", "cls", "args"))


def _signature(member: object) -> list[str]:
    assert callable(member)
    return list(inspect.signature(member).parameters)


def _defined_in(module: ModuleType) -> list[str]:
    return [
        name
        for name, member in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(member)
        and (
            isinstance(member, str | tuple | dict | Exception)
            or getattr(member, "__module__", None) == module.__name__
        )
    ]


def _of_aiohttp_middlewares() -> Iterator[str]:
    modules = (aiohttp_middlewares, constants, cors, error, https, shield, timeout, utils)
    for module in modules:
        yield from _parameters(module, _defined_in(module))
    yield from annotations.__all__


def _of_aiohttp_cors() -> Iterator[str]:
    public = [name for name in aiohttp_cors.__all__ if not name.startswith("__")]
    yield from _parameters(aiohttp_cors, public)
    yield from aiohttp_cors.ResourceOptions._fields
    for kind in (aiohttp_cors.CorsConfig, aiohttp_cors.CorsViewMixin):
        for name, method in vars(kind).items():
            if not name.startswith("_"):
                yield name
                yield from _signature(method) if inspect.isfunction(method) else ()


def _of_aiojobs() -> Iterator[str]:
    yield from _parameters(aiojobs.aiohttp, list(aiojobs.aiohttp.__all__))
    yield "shield"
    yield from _signature(aiojobs.Scheduler)
    for kind in (aiojobs.Scheduler, aiojobs.Job):
        yield from (name for name in vars(kind) if not name.startswith("_"))


def _of_aiohttp_remotes() -> Iterator[str]:
    yield from _parameters(aiohttp_remotes, list(aiohttp_remotes.__all__))


def _of_aiohttp_catcher() -> Iterator[str]:
    yield from _parameters(aiohttp_catcher, list(aiohttp_catcher.__all__))
    for kind in (aiohttp_catcher.Catcher, aiohttp_catcher.Scenario):
        for name, method in vars(kind).items():
            if not name.startswith("_") and inspect.isfunction(method):
                yield name
                yield from _signature(method)


def _of_rate_limiters() -> Iterator[str]:
    for kind in (
        aiohttplimiter.Limiter,
        aiohttplimiter.RedisLimiter,
        aiohttplimiter.MemcachedLimiter,
    ):
        yield kind.__name__
        yield from _signature(kind)
        yield from _signature(kind.limit)
    yield from ("Allow", "RateLimitExceeded", "default_keyfunc")


@pytest.mark.parametrize(
    ("peer", "names"),
    [
        ("aiohttp-middlewares", set(_of_aiohttp_middlewares())),
        ("aiohttp-cors", set(_of_aiohttp_cors())),
        ("aiojobs", set(_of_aiojobs())),
        ("aiohttp-remotes", set(_of_aiohttp_remotes())),
        ("aiohttp-catcher", set(_of_aiohttp_catcher())),
        ("rate-limiters", set(_of_rate_limiters()) - {"options"}),
    ],
)
def test_the_tables_leave_nothing_of_the_other_library_out(peer: str, names: set[str]) -> None:
    tables = _tables(peer)
    known = {name for name in names if not name.startswith("ACCESS_CONTROL")} - {"self", "cls"}
    assert {name for name in known if not _is_told(name, tables)} == set()
