"""Paths as rules see them, and the matching helpers for a path or a request."""

import re
from collections.abc import Collection, Mapping

from yarl import URL

__all__ = [
    "IDEMPOTENT_METHODS",
    "NON_IDEMPOTENT_METHODS",
    "PathItem",
    "match_path",
    "match_request",
    "relative_path",
    "resolved_path",
]

IDEMPOTENT_METHODS: tuple[str, ...] = ("GET", "HEAD", "OPTIONS", "TRACE")
"""The methods that change nothing (RFC 9110, section 9.2.1: the safe methods)."""

NON_IDEMPOTENT_METHODS: tuple[str, ...] = ("DELETE", "PATCH", "POST", "PUT")
"""The methods by which clients change something."""

PathItem = str | re.Pattern[str] | URL


def match_path(item: PathItem, path: str) -> bool:
    """Whether a path is the one that an item names.

    Args:
        item: a path, compared as a whole; a `yarl.URL`, compared as its text; or a compiled
            regular expression, tried with `pattern.match(path)`.
        path: the path of a request.

    Returns:
        Whether it matches. Anything else given as item matches nothing.
    """
    if isinstance(item, URL):
        item = str(item)
    if isinstance(item, str):
        return item == path
    return isinstance(item, re.Pattern) and item.match(path) is not None


def match_request(
    urls: Collection[PathItem] | Mapping[PathItem, str | Collection[str]], method: str, path: str
) -> bool:
    """Whether a request is one of those that a collection names.

    Args:
        urls: items as `match_path` takes them; or a mapping of such items to the method, or the
            methods, for which they count. The first item that matches the path decides.
        method: the request's method, in any case.
        path: the request's path.

    Returns:
        Whether it matches.
    """
    found = next((item for item in urls if match_path(item, path)), None)
    if found is None:
        return False
    if not isinstance(urls, Mapping):
        return True
    methods = urls[found]
    if isinstance(methods, str):
        methods = (methods,)
    return method.upper() in {allowed.upper() for allowed in methods}


def resolved_path(path: str) -> str:
    """A decoded path with its dot segments resolved and repeated slashes made one.

    A static route and a `{tail:.*}` handler open the place that is left, so rules must see it
    too: two spellings of one place have one policy. Nothing leads above the root (RFC 3986,
    section 5.2.4).
    """
    if "//" not in path and "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    # What ended in a slash, or in a dot segment, names a directory still.
    ends_open = segments[-1] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if ends_open and kept else "")


def relative_path(path: str, prefix: str) -> str:
    """A decoded request path as the rules of an application mounted under a prefix see it."""
    if prefix and path.startswith(prefix):
        path = path[len(prefix) :] or "/"
    return resolved_path(path)
