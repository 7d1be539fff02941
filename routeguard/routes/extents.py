"""Which paths rules and routes have in common: all, some or none."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, islice, product
from typing import Literal

from aiohttp import web
from yarl import URL

from routeguard.configuration import ConfigError
from routeguard.routes.dry_run import resolve_now
from routeguard.routes.names import SEGMENT, decoded, names_of
from routeguard.routes.rules import Pattern, Rule
from routeguard.routes.scope import Scope

__all__ = [
    "PLACEHOLDER",
    "Extent",
    "beginning_of",
    "covers",
    "extent_of",
    "is_routed_to",
    "leads_anywhere",
    "overlap",
    "typical_paths",
]

PLACEHOLDER: re.Pattern[str] = re.compile(r"\{[^{}]*\}")
"""A placeholder in the canonical path of a dynamic route."""

LITERAL = re.compile(r"[^\\.^$*+?{}\[\]|()]|\\[^\w\s]")
EVERYTHING = ("", ".*", ".+")
VALUES = tuple(
    "x 1 a1 en 22 333 2000 55555 2000-01 2000-01-01 x/y abcdef01 "
    "00000000-0000-4000-8000-000000000000".split()
)
MOST_TRIED = 2000


@dataclass(frozen=True, slots=True)
class Extent:
    """The paths of one resource, as the rules of one application see them.

    Attributes:
        names: what rules may call the resource, the canonical pattern first.
        fixed: what all the paths begin with; all of it, where there is only one.
        is_single: whether there is only one path.
        by_segment: whether each placeholder stands for one segment of the path.
        reached_by: whether a path is routed to the resource.
    """

    names: tuple[str, ...]
    fixed: str
    is_single: bool
    by_segment: bool
    reached_by: Callable[[str], bool]

    @property
    def canonical(self) -> str:
        """The canonical pattern, decoded and relative to the application."""
        return self.names[0]


def beginning_of(resource: web.AbstractResource) -> str | None:
    """What all paths of a resource begin with, decoded; of a plain one, its only path.

    Returns:
        `None` for a resource of somebody else's making, derived or not, which may serve what it
        likes.
    """
    if type(resource) is web.PlainResource:
        # aiohttp compares these with what is left encoded in a path.
        return resource.canonical.replace("%2F", "/").replace("%25", "%")
    if type(resource) is web.DynamicResource or type(resource) is web.StaticResource:
        return URL.build(path=resource.canonical.partition("{")[0], encoded=True).path
    return None


def leads_anywhere(router: web.UrlDispatcher) -> bool:
    """Whether a router of an application's own class may lead any path to any route."""
    return type(router).resolve is not web.UrlDispatcher.resolve


def extent_of(match_info: web.UrlMappingMatchInfo, scope: Scope) -> Extent:
    """The paths of a matched resource, as an application around it sees them."""
    resource = match_info.route.resource
    names = ("/",) if resource is None else names_of(resource, scope.mount.prefix)
    fixed = names[0].partition("{")[0]
    by_segment = False
    if isinstance(resource, web.StaticResource):
        fixed = fixed.rstrip("/") + "/"
    elif isinstance(resource, web.DynamicResource):
        pattern = resource.get_info()["pattern"].pattern
        by_segment = pattern.count("(?P<") == pattern.count(f">{SEGMENT})")
    elif not isinstance(resource, web.PlainResource):
        fixed = "/"

    def reached_by(path: str) -> bool:
        return is_routed_to(match_info, scope.mount.prefix + path)

    single = isinstance(resource, web.PlainResource)
    return Extent(names, fixed, single, by_segment, reached_by)


def is_routed_to(match_info: web.UrlMappingMatchInfo, path: str) -> bool:
    """Whether a decoded path is routed to a matched resource, and to none before it."""
    method = "GET" if match_info.route.method == "*" else match_info.route.method
    try:
        found = resolve_now(match_info.apps[-1], method, URL.build(path=path))
    except ConfigError:
        return True  # a resource that waits for something outside, and might match
    return found.route.resource is match_info.route.resource


def overlap(pattern: Pattern, extent: Extent) -> Literal["all", "some", "none"]:
    """How many of a resource's paths a pattern matches.

    Slashes that come percent-encoded are left aside; a regex is taken to match some paths where
    neither can be told.
    """
    text = pattern.text
    match pattern.kind:
        case "canonical":
            return "all" if text in extent.names else "none"
        case "exact" if extent.is_single:
            return "all" if text == extent.canonical else "none"
        case "exact":
            reached = text.startswith(extent.fixed) and extent.reached_by(text)
            return "some" if reached else "none"
        case "prefix":
            if extent.fixed.startswith(f"{text}/"):
                return "all"
            return "some" if _can_begin(extent, f"{text}/") else "none"
        case _:
            return _overlap_of_regex(pattern, extent)


def _overlap_of_regex(pattern: Pattern, extent: Extent) -> Literal["all", "some", "none"]:
    assert pattern.regex is not None
    if extent.is_single:
        return "all" if pattern.regex.match(extent.canonical) else "none"
    head, rest = _literal_head(pattern.regex)
    if extent.fixed.startswith(head):
        return "all" if rest in EVERYTHING else "some"
    return "some" if _can_begin(extent, head) else "none"


def _can_begin(extent: Extent, head: str) -> bool:
    """Whether some path of a resource may begin with a text that is longer than its fixed part."""
    if extent.is_single or not head.startswith(extent.fixed):
        return False
    if not extent.by_segment:
        return True
    asked, own = head.split("/"), extent.canonical.split("/")
    if len(asked) > len(own):
        return False
    whole = zip(asked[:-1], own, strict=False)
    last = own[len(asked) - 1]
    return all("{" in mine or theirs == mine for theirs, mine in whole) and (
        "{" in last or last.startswith(asked[-1])
    )


def _literal_head(regex: re.Pattern[str]) -> tuple[str, str]:
    """What everything that a regex matches begins with, and the rest of the regex."""
    text = regex.pattern.removeprefix("^")
    if regex.flags & (re.IGNORECASE | re.VERBOSE) or "|" in text:
        return "", text
    units: list[str] = []
    end = 0
    while (found := LITERAL.match(text, end)) is not None:
        units.append(found[0])
        end = found.end()
    if units and text[end : end + 1] in ("*", "?", "{"):
        end -= len(units.pop())
    return "".join(unit[-1] for unit in units), text[end:].removesuffix("$")


def covers(earlier: Rule, later: Rule) -> bool:
    """Whether a rule is certain to match every request that another, no exact one, matches."""
    if earlier.methods is not None and (later.methods is None or later.methods - earlier.methods):
        return False
    mine, theirs = earlier.pattern, later.pattern
    if mine == Pattern("prefix", ""):
        return True
    if mine.kind == theirs.kind == "canonical":
        return mine.text in theirs.names
    if mine.kind == theirs.kind and mine.kind != "prefix":
        return (mine.text, mine.regex) == (theirs.text, theirs.regex)
    begins = {
        "prefix": f"{theirs.text}/",
        "canonical": theirs.text.partition("{")[0],
        "exact": theirs.text,
        "regex": "" if theirs.regex is None else _literal_head(theirs.regex)[0],
    }[theirs.kind]
    if mine.kind == "prefix":
        return begins.startswith(f"{mine.text}/")
    if mine.regex is None:
        return False
    head, rest = _literal_head(mine.regex)
    return rest in EVERYTHING and begins.startswith(head) and (rest != ".+" or begins != head)


def typical_paths(match_info: web.UrlMappingMatchInfo) -> list[str]:
    """Some decoded paths that a resource matches; its canonical pattern, for want of any."""
    resource = match_info.route.resource
    if resource is None:
        return ["/"]
    canonical = decoded(resource.canonical)
    if isinstance(resource, web.StaticResource):
        return [f"{canonical.rstrip('/')}/{value}" for value in VALUES]
    if not isinstance(resource, web.DynamicResource):
        return [canonical]
    pattern = resource.get_info()["pattern"]
    # A placeholder such as {period:week|year} names the values itself.
    values = [*VALUES, *re.findall(r"\w[\w.-]*", PLACEHOLDER.sub("", pattern.pattern))]
    fixed = PLACEHOLDER.split(canonical)
    count = len(fixed) - 1

    def routed(choices: Iterable[tuple[str, ...]]) -> list[str]:
        filled = (
            "".join(chain.from_iterable(zip(fixed, (*some, ""), strict=True))) for some in choices
        )
        return [path for path in filled if pattern.fullmatch(path)]

    return (
        routed((value,) * count for value in values)
        or routed(islice(product(values, repeat=count), MOST_TRIED))
        or [canonical]
    )
