"""Which paths of a route rules look at by themselves.

To most paths of a dynamic route the same applies, however many rules name some of them. What
rules see beyond the beginning that all its paths share is found once for the route; the usual
answer for a path is then "nothing", and no path is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from routeguard.paths import relative_path
from routeguard.routes.extents import beginning_of, leads_anywhere
from routeguard.routes.rules import Inside
from routeguard.routes.scope import scopes_of

__all__ = ["Splits", "splits_of"]

IMPOSSIBLE = "\0"
"""What no path of a request has."""

NOTHING = Inside(frozenset(), frozenset(), frozenset(), 0, 0, ())
"""What rules say where they name none of a route's paths."""


@dataclass(frozen=True, slots=True)
class Splits:
    """Which paths of a route rules look at by themselves.

    Attributes:
        path: a path to which applies what applies to all others that rules do not look at.
        is_decided: whether the same applies to all paths, however they are spelt.
        spot_of: what rules name of a path in which at most slashes and percent signs are still
            encoded; all paths of the route with one spot have the same rules. `""` stands for the
            usual paths, at which no rule looks by itself; `None` for those whose rules are to be
            found by the whole path.
    """

    path: str
    is_decided: bool
    spot_of: Callable[[str], str | None]


def splits_of(match_info: web.UrlMappingMatchInfo) -> Splits | None:
    """Which paths of a matched route rules look at by themselves.

    Returns:
        `None` where it cannot be told what the route serves.
    """
    if leads_anywhere(match_info.apps[0].router):
        return None
    resource = match_info.route.resource
    beginning = None if resource is None else beginning_of(resource)
    if resource is None or beginning is None:
        return None
    if type(resource) is web.PlainResource:
        return Splits(beginning, is_decided=True, spot_of=_usual)
    scopes = scopes_of(match_info)
    spots: list[Callable[[str], str | None]] = []
    for scope in scopes:
        fixed = relative_path(beginning, scope.mount.prefix)
        found = scope.rules.inside(fixed, fixed + IMPOSSIBLE)
        if found is not None:
            if type(resource) is web.StaticResource:
                return None  # one place by two spellings
            spots.append(_spot_below(scope.mount.prefix, found))
    # Of a path that is spelt in another way, rules may see one outside the route's own.
    decided = not any(scope.rules.by_path for scope in scopes)
    return Splits(beginning + IMPOSSIBLE, decided, _usual if decided else _joined(spots))


def _usual(path: str) -> str | None:
    return ""


def _spot_below(prefix: str, inside: Inside) -> Callable[[str], str | None]:
    """What the rules of an application mounted under a prefix name of a path."""
    if not prefix:
        return inside.spot

    def spot(path: str) -> str | None:
        return inside.spot(path[len(prefix) :] or "/") if path.startswith(prefix) else None

    return spot


def _joined(spots: Sequence[Callable[[str], str | None]]) -> Callable[[str], str | None]:
    """What the rules of all applications around a route name of a path."""
    if len(spots) < 2:
        return spots[0] if spots else NOTHING.spot

    def spot(path: str) -> str | None:
        return None if any(one(path) != "" for one in spots) else ""

    return spot
