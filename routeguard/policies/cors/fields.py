"""The header fields of CORS, and the names that `cors` takes: methods and headers."""

from collections.abc import Collection

from aiohttp.hdrs import (
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    SERVER,
    TRANSFER_ENCODING,
)
from multidict import CIMultiDict, istr

from routeguard.configuration import Faults, listed, shown
from routeguard.http import TOKEN, is_cors_header

__all__ = [
    "ALLOW_CREDENTIALS",
    "ALLOW_ORIGIN",
    "DEFAULT_ALLOW_HEADERS",
    "EXPOSE_HEADERS",
    "ORIGIN",
    "has_cors_headers",
    "read_expose_headers",
    "read_headers",
    "read_methods",
    "remove_cors_headers",
]

ALLOW_ORIGIN = istr("Access-Control-Allow-Origin")
ALLOW_CREDENTIALS = istr("Access-Control-Allow-Credentials")
EXPOSE_HEADERS = istr("Access-Control-Expose-Headers")
ORIGIN = istr("Origin")

DEFAULT_ALLOW_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "content-type",
        "dnt",
        "origin",
        "user-agent",
        "x-csrftoken",
        "x-requested-with",
    }
)

# Fetch, forbidden method and forbidden response-header name.
FORBIDDEN_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})
FORBIDDEN_RESPONSE_HEADERS = frozenset({"set-cookie", "set-cookie2"})


def read_methods(methods: str | Collection[str] | None, faults: Faults) -> frozenset[str] | None:
    """The configured methods in upper case; `None` for those that the path routes."""
    if methods is None:
        return None
    names = frozenset(
        name.upper() for name in _names("allow_methods", methods, "['PUT', 'DELETE']", faults)
    )
    for name in sorted(names & FORBIDDEN_METHODS):
        faults.add(f"allow_methods: browsers never send {name} for a page: leave it out")
    return names


def read_headers(headers: str | Collection[str], faults: Faults) -> frozenset[str]:
    """The configured request headers in lower case, `"*"` among them."""
    names = _names("allow_headers", headers, "['x-api-key']", faults)
    return frozenset(name.lower() for name in names)


def read_expose_headers(
    headers: str | Collection[str], faults: Faults, *, credentials: bool
) -> tuple[str, ...]:
    """The configured response headers; just `"*"` where it is among them."""
    names = _names("expose_headers", headers, "['X-Total-Count']", faults)
    for name in names:
        if name.lower() in FORBIDDEN_RESPONSE_HEADERS:
            faults.add(f"expose_headers: no page may ever read {name}: leave it out")
    if "*" not in names:
        return tuple(names)
    if credentials:
        faults.add("expose_headers='*' exposes nothing with credentials: list the headers")
    return ("*",)


def _names(parameter: str, given: object, example: str, faults: Faults) -> list[str]:
    names = []
    for name in listed(parameter, given, example, faults):
        if isinstance(name, str) and TOKEN.fullmatch(name):
            names.append(name)
        elif isinstance(name, str) and "," in name:
            parts = [part.strip() for part in name.split(",")]
            faults.add(f"{parameter}: {shown(name)} is several names in one: write {parts!r}")
        else:
            faults.add(f"{parameter}: {shown(name)} is no name: write {example}")
    return names


def has_cors_headers(headers: "CIMultiDict[str]") -> bool:
    """Whether a response has CORS headers, whoever has set them."""
    # To go through the names takes several times as long as to ask for those that most have.
    ordinary = (
        (CONTENT_TYPE in headers)
        + (SERVER in headers)
        + (DATE in headers)
        + (CONTENT_LENGTH in headers)
    )
    if len(headers) == ordinary:
        return False
    ordinary += (TRANSFER_ENCODING in headers) + (CONNECTION in headers)
    if len(headers) == ordinary:
        return False
    for name in headers:
        if name[:1] in "Aa" and is_cors_header(name):
            return True
    return False


def remove_cors_headers(headers: "CIMultiDict[str]") -> None:
    """Takes out every CORS header, whoever has set it."""
    if not has_cors_headers(headers):
        return
    for name in [name for name in headers if is_cors_header(name)]:
        headers.popall(name, None)
