"""Figures in the documentation are those of the program, or of a measurement."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from routeguard import keys
from routeguard.bounded import LONGEST_KEY
from routeguard.network import addresses, forwarded, peers
from routeguard.origins import patterns as origins
from routeguard.policies.errors import problem
from routeguard.policies.headers.policy import headers
from routeguard.policies.order import ORDER, InnermostOwnKinds, OwnKinds
from routeguard.policies.proxied import policy as proxied_policy
from routeguard.policies.rate_limit import window
from routeguard.policy import kind_name
from routeguard.serving import plan
from routeguard.serving import preflight_targets as targets

DOCS = Path(__file__).resolve().parents[2] / "docs"

LIMITS = {
    "plans by set of rules": plan.KEPT_PLANS,
    "targets of preflights": targets.KEPT_TARGETS,
    "peers whose trust": peers.KNOWN_PEERS,
    "what proxies wrote": proxied_policy.KEPT,
    "addresses that were read": addresses.KEPT,
    "lines of `Forwarded` that were read": forwarded.KEPT_LINES,
    "entries of `X-Forwarded-For`": forwarded.MOST_ENTRIES,
    "keys that a rate of a `rate_limit` counts": window.MAX_KEYS,
    "times that are kept of a key": window.EXACT_UP_TO,
    "the length of a key": keys.LONGEST,
    "addresses of IPv6 whose keys": keys.REMEMBERED,
    "the length of a path": LONGEST_KEY,
    "the length of an `Origin`": origins.LONGEST_ORIGIN,
    "the length of a `Forwarded`": forwarded.LONGEST_LINE,
    "the length of an `Accept`": problem.LONGEST_ACCEPT,
    "values of `Accept`": problem.KEPT_PREFERENCES,
}


@pytest.mark.parametrize("what", LIMITS)
def test_the_security_page_tells_the_limits_as_they_are(what: str) -> None:
    page = (DOCS / "security.md").read_text()
    found = re.search(rf"^\| {re.escape(what)}.*\| ([\d,]+)( characters)? \|$", page, re.MULTILINE)
    assert found is not None
    assert int(found[1].replace(",", "")) == LIMITS[what]


def _comparison_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", DOCS / "comparison_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_comparison_are_those_of_the_measurement() -> None:
    for path, text in _comparison_tables().written():
        assert path.read_text() == text, f"run python docs/comparison_tables.py for {path.name}"


def test_the_comparison_shows_every_table_and_has_no_figure_of_its_own() -> None:
    page = (DOCS / "comparison.md").read_text()
    shown = set(re.findall(r"^```\{include\} data/(\w+\.inc)$", page, re.MULTILINE))
    assert shown == {path.name for path, _ in _comparison_tables().written()}
    assert re.findall(r"\d+(?:\.\d+)? ?(?:µs|ms|KiB)", page) == []


BOXES = {OwnKinds: "your own kinds", InnermostOwnKinds: "the application's middlewares"}
NESTED = [
    BOXES.get(kind) or kind_name(kind)
    for kind in ORDER
    if kind is not headers  # which only writes on responses
]
BOX = re.compile(r'<rect class="(?:box|yours)".*\n.*class="(?:code )?strong">([^<]+)<')


def test_the_figure_of_a_request_nests_as_the_program_does() -> None:
    figure = (DOCS / "explanation" / "life-of-a-request.svg").read_text()
    assert BOX.findall(figure) == ["outside=", *NESTED, "handler"]


@pytest.mark.parametrize("page", ["reference/policies.md", "how-to/middleware.md", "changelog.md"])
def test_pages_tell_the_order_of_nesting_as_it_is(page: str) -> None:
    text = re.sub(r"[`*]|^> ?", "", (DOCS / page).read_text(), flags=re.MULTILINE)
    text = text.replace("application's own", "application's")
    assert ", ".join([*NESTED, "handler"]) in " ".join(text.split())
