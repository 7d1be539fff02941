"""Which paths of a route rules look at by themselves.

To most paths of a dynamic route the same applies, however many rules name some of them. What
rules see beyond the beginning that all its paths share is found once for the route; the usual
answer for a path is then "nothing", and no path is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from routeguard.paths import is_plain, relative_path
from routeguard.routes.extents import beginning_of, leads_anywhere
from routeguard.routes.rules import Inside
from routeguard.routes.scope import scopes_of

__all__ = ["Splits", "splits_of"]

IMPOSSIBLE = "\0"
"""What no path of a request has."""


@dataclass(frozen=True, slots=True)
class Splits:
    """Which paths of a route rules look at by themselves.

    Attributes:
        path: a path to which applies what applies to all others that rules do not look at.
        is_decided: whether the same applies to all paths, however they are spelt.
        names: for each application around the route whose rules name some of the paths, whether
            they name one.
    """

    path: str
    is_decided: bool
    names: tuple[Callable[[str], bool], ...]

    def leaves(self, path: str) -> bool:
        """Whether no rule looks at a path by itself, so that the usual applies to it.

        Args:
            path: the path, decoded but for slashes and percent signs.
        """
        if self.is_decided:
            return True
        if not is_plain(path):
            return False
        for names in self.names:
            if names(path):
                return False
        return True


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
        return Splits(beginning, is_decided=True, names=())
    scopes = scopes_of(match_info)
    names = []
    for scope in scopes:
        fixed = relative_path(beginning, scope.mount.prefix)
        found = scope.rules.inside(fixed, fixed + IMPOSSIBLE)
        if found is not None:
            if type(resource) is web.StaticResource:
                return None  # one place by two spellings
            names.append(_names_below(scope.mount.prefix, found))
    # Of a path that is spelt in another way, rules may see one outside the route's own.
    decided = not any(scope.rules.by_path for scope in scopes)
    return Splits(beginning + IMPOSSIBLE, decided, tuple(names))


def _names_below(prefix: str, inside: Inside) -> Callable[[str], bool]:
    """What tells whether the rules of an application mounted under a prefix name a path."""
    if not prefix:
        return inside.names
    return lambda path: inside.names(relative_path(path, prefix))
