"""The names by which rules know a resource: its canonical pattern, and its text in full.

aiohttp's canonical pattern leaves out the regexes of placeholders, so several resources may share
one. The full text, `/func/{path:saml/.*}`, names one of them.
"""

import functools
import re
from collections.abc import Iterable

from aiohttp import web
from yarl import URL

__all__ = [
    "PLACEHOLDER",
    "SEGMENT",
    "ambiguous",
    "canonical_form",
    "decoded",
    "full_form",
    "names_of",
    "text_of",
]

SEGMENT = r"[^{}/]+"
"""The regex of a placeholder that was given none."""

PLACEHOLDER = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<regex>[^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}")


def canonical_form(text: str) -> str:
    """A text without the regexes of its placeholders."""
    return PLACEHOLDER.sub(r"{\g<name>}", text)


def full_form(text: str) -> str:
    """A text in which every placeholder has a regex."""
    return PLACEHOLDER.sub(
        lambda found: _placeholder(found["name"], found["regex"] or SEGMENT), text
    )


def names_of(resource: web.AbstractResource, prefix: str) -> tuple[str, ...]:
    """What rules may call a resource.

    Args:
        resource: the resource.
        prefix: where the application that states the rules is mounted, decoded.

    Returns:
        The canonical pattern, and for a resource with placeholders the full form of its text;
        both decoded and relative to the prefix.
    """
    return _names(resource.canonical, _pattern_of(resource), prefix)


def text_of(resource: web.AbstractResource) -> str:
    """The text of a resource as it was registered, decoded: `/func/{path:saml/.*}`."""
    regexes = _regexes(resource.canonical, _pattern_of(resource))
    own = {name: regex for name, regex in regexes.items() if regex != SEGMENT}
    return _with_regexes(decoded(resource.canonical), own)


def ambiguous(resources: Iterable[web.AbstractResource]) -> set[str]:
    """The canonical patterns that several resources share whose texts differ."""
    texts: dict[str, str] = {}
    found: set[str] = set()
    for resource in resources:
        canonical = resource.canonical
        if "{" in canonical:
            text = text_of(resource)
            if texts.setdefault(canonical, text) != text:
                found.add(canonical)
    return found


def decoded(path: str) -> str:
    """A percent-encoded path as rules see it."""
    return URL.build(path=path or "/", encoded=True).path


def _pattern_of(resource: web.AbstractResource) -> str | None:
    pattern = resource.get_info().get("pattern")
    return pattern.pattern if isinstance(pattern, re.Pattern) else None


@functools.lru_cache(4096)  # asked for each new path of a route whose paths rules tell apart
def _names(canonical: str, pattern: str | None, prefix: str) -> tuple[str, ...]:
    relative = decoded(canonical).removeprefix(prefix) or "/"
    regexes = _regexes(canonical, pattern)
    return (relative, _with_regexes(relative, regexes)) if regexes else (relative,)


def _regexes(canonical: str, pattern: str | None) -> dict[str, str]:
    """The regex of each placeholder; of none where they cannot be told."""
    found: dict[str, str] = {}
    literals = PLACEHOLDER.split(canonical)[::3]
    names = [placeholder["name"] for placeholder in PLACEHOLDER.finditer(canonical)]
    # In aiohttp's pattern each name stands once, before a group, and behind the group what
    # stands behind the placeholder.
    rest = "" if pattern is None else pattern
    for place, name in enumerate(names):
        _, opened, rest = rest.partition(f"(?P<{name}>")
        following = names[place + 1 :]
        group = rest.partition(f"(?P<{following[0]}>")[0] if following else rest
        end = f"){re.escape(literals[place + 1])}"
        if not opened or not group.endswith(end):
            return {}
        found[name] = group.removesuffix(end)
    return found


def _with_regexes(canonical: str, regexes: dict[str, str]) -> str:
    def written(found: re.Match[str]) -> str:
        regex = regexes.get(found["name"])
        return found[0] if regex is None else _placeholder(found["name"], regex)

    return PLACEHOLDER.sub(written, canonical)


def _placeholder(name: str, regex: str) -> str:
    return f"{{{name}:{regex}}}"
