"""What proxies say of a request: list headers, `Forwarded` (RFC 7239), and schemes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from routeguard import http
from routeguard.bounded import LONGEST_KEY

__all__ = [
    "LONGEST_LINE",
    "MOST_ENTRIES",
    "Element",
    "count_entries",
    "entries_from_right",
    "entry_from_right",
    "read_elements",
    "read_scheme",
]

MOST_ENTRIES = 100
"""How many entries of a list are examined, from the right."""
LONGEST_LINE = 4000
"""In characters; a longer line of `Forwarded` says nothing."""
KEPT_LINES = 512

SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}

# RFC 7239, section 4. Beyond it, white space may stand around `;` and `,`, and a value without
# quotes may have the characters of ports, IPv6 addresses and protocols (fabio and templates of
# HAProxy write such elements). A line is read only if it is well formed as a whole: in a broken
# one, what a client sent could pass for the element that the proxy appended. What follows a
# closing quote must be a separator, so a quote that a client left open cannot swallow a proxy's
# element. Possessive quantifiers keep the time to tell proportional to the length.
TOKEN = f"{http.TOKEN.pattern}+"
UNQUOTED = r"[!#$%&'*+\-.^_`|~0-9A-Za-z:/\[\]]++"
QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t !-~])*+"'
PAIR = rf"(?:{TOKEN}=(?:{UNQUOTED}|{QUOTED}))"
ELEMENT = rf"(?:{PAIR}?+(?:[ \t]*+;[ \t]*+{PAIR}?+)*+)"
ENTRY = re.compile(rf"[ \t]*+(?:({ELEMENT})|({TOKEN}))[ \t]*+(,|\Z)")
PARAMETER = re.compile(rf"({TOKEN})=(?:({UNQUOTED})|\"((?:[^\"\\]|\\.)*+)\")")


def read_scheme(text: str) -> str | None:
    """`"http"` or `"https"`, as a proxy writes it in any case; `None` for what is neither.

    `ws` and `wss` are written for WebSockets, whose handshake is HTTP (RFC 6455, section 4.1).
    """
    return SCHEMES.get(text.lower())


# --- lists --------------------------------------------------------------------------------------


def count_entries(lines: Sequence[str]) -> int:
    """How many entries a list header has, empty ones included."""
    return sum(line.count(",") + 1 for line in lines)


def entries_from_right(lines: Sequence[str]) -> Iterator[str]:
    """The entries of a list header, the nearest proxy's first; empty ones included.

    Several lines are one list (RFC 9110, section 5.3). A proxy that appends has added one entry
    to whatever was there, so that an empty entry counts.
    """
    left = MOST_ENTRIES
    for line in reversed(lines):
        end = len(line)
        while end >= 0:
            if not left:
                return
            left -= 1
            comma = line.rfind(",", 0, end)
            yield line[comma + 1 : end].strip(" \t")
            end = comma


def entry_from_right(lines: Sequence[str], position: int) -> str:
    """One entry of a list header, counted from the right, where 0 is the last; `""` for none."""
    for index, entry in enumerate(entries_from_right(lines)):
        if index == position:
            return entry
    return ""


# --- Forwarded ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Element:
    """What one proxy says in `Forwarded`; `""` for a parameter that it leaves out.

    Attributes:
        node: the `for` parameter (RFC 7239, section 5.2).
        host: the `host` parameter (section 5.3).
        proto: the `proto` parameter (section 5.4).
    """

    node: str = ""
    host: str = ""
    proto: str = ""


def read_elements(line: str) -> tuple[Element, ...] | None:
    """Reads one line of `Forwarded`.

    A single token, which some proxies send, is an element with that `proto`.

    Args:
        line: the value of one header line.

    Returns:
        Its elements from the left. `None` where the line is malformed, is longer than
        `LONGEST_LINE`, or names a parameter twice in one element.
    """
    if len(line) <= LONGEST_KEY:
        return _read_kept(line)
    return _read(line) if len(line) <= LONGEST_LINE else None


def _read(line: str) -> tuple[Element, ...] | None:
    elements: list[Element] = []
    position, more = 0, True
    while more:
        entry = ENTRY.match(line, position)
        if entry is None:
            return None
        position, more = entry.end(), entry[3] == ","
        if entry[2] is not None:
            elements.append(Element(proto=entry[2]))
            continue
        found: dict[str, str] = {}
        for name, unquoted, quoted in PARAMETER.findall(entry[1]):
            if name.lower() in found:
                return None
            found[name.lower()] = unquoted or re.sub(r"\\(.)", r"\1", quoted)
        elements.append(
            Element(found.get("for", ""), found.get("host", ""), found.get("proto", ""))
        )
    return tuple(elements)


_read_kept = lru_cache(maxsize=KEPT_LINES)(_read)
