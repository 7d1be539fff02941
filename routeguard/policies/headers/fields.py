"""What `headers` may write: field names and values (RFC 9110, sections 5.1 and 5.5)."""

import re
from collections.abc import Mapping

from routeguard.configuration import Faults, shown
from routeguard.http import TOKEN, is_cors_header

__all__ = ["read_fields"]

UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which could end the line, and what UTF-8 cannot encode."""

# RFC 9110, section 7.6.1, and RFC 9112: how a message is delimited and the connection used.
FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

EXAMPLE = "headers({'X-Content-Type-Options': 'nosniff'})"


def read_fields(values: object, faults: Faults) -> tuple[tuple[str, str | None], ...]:
    """The fields that a `headers` was given, checked, in the order given.

    Args:
        values: what was given: a mapping of names to values.
        faults: where faults are noted.
    """
    if not isinstance(values, Mapping):
        faults.add(f"{shown(values)} is no mapping of names to values: write {EXAMPLE}")
        return ()
    if not values:
        faults.add(f"it names no header, so it does nothing: write {EXAMPLE}")
    fields: dict[str, tuple[str, str | None]] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            faults.add(f"{shown(name)} is no name of a header: write {EXAMPLE}")
            continue
        fault = _fault_of_name(name, value) or _fault_of_value(name, value)
        if fault is not None:
            faults.add(fault)
        elif name.lower() in fields:
            first = fields[name.lower()][0]
            faults.add(f"{first!r} and {name!r} are one header: write it once")
        else:
            fields[name.lower()] = (name, value)
    return tuple(fields.values())


def _fault_of_name(name: str, value: object) -> str | None:
    """Why a header is not for `headers` to write; `None` where it is."""
    lowered = name.lower()
    if lowered in FRAMING or lowered.startswith("sec-websocket-"):
        return f"{name!r} says how the message is framed, which is aiohttp's: leave it out"
    if is_cors_header(name):
        return f"{name!r} is written by cors: state a cors(...) policy"
    if lowered == "vary" and value is None:
        return f"{name!r} is only added to, since caches rely on it: leave it out"
    if lowered in ("set-cookie", "set-cookie2") and value is not None:
        return f"{name!r} may stand in an answer many times: use response.set_cookie(...)"
    return None


def _fault_of_value(name: str, value: object) -> str | None:
    """Why a value cannot be written; `None` where it can."""
    if value is None:
        return None
    if not isinstance(value, str):
        return f"{name!r}: {shown(value)} is no text: write a str, or None to remove the header"
    if UNWRITABLE.search(value):
        return f"{name!r}: {shown(value)} has a control character in it: leave it out"
    if value != value.strip():
        return f"{name!r}: {shown(value)} begins or ends with white space: leave it out"
    return None
