"""What `https` decides: the scheme that headers report, and where a redirect leads."""

from collections.abc import Iterable, Sequence

from multidict import CIMultiDict, CIMultiDictProxy

from routeguard.network.authorities import Authority
from routeguard.network.forwarded import Element, read_elements, read_scheme

__all__ = ["is_malformed", "over_https", "reported_scheme"]

FieldLines = CIMultiDict[str] | CIMultiDictProxy[str]


def reported_scheme(headers: FieldLines, match_headers: Iterable[tuple[str, str]]) -> str | None:
    """The scheme that headers report, whoever sent them.

    Args:
        headers: the request's.
        match_headers: the headers that are read, each with the value that means HTTPS.

    Returns:
        `"https"` where any header says so, `"http"` where one says the opposite, `None` where
        none says anything that can be read.
    """
    found = None
    for name, expected in match_headers:
        lines = headers.getall(name, None)
        if lines:
            said = _meaning(_last_entry(name, lines), expected)
            if said == "https":
                return said
            found = found or said
    return found


def _last_entry(name: str, lines: Sequence[str]) -> str:
    if name != "Forwarded":
        return lines[-1].rpartition(",")[2].strip(" \t")
    elements = read_elements(lines[-1])
    return (elements[-1] if elements else Element()).proto


def _meaning(value: str, expected: str) -> str | None:
    value = value.lower()
    if value == expected:
        return "https"
    scheme = read_scheme(value)
    if read_scheme(expected) is None:
        return "http" if value else None  # such as X-Forwarded-Ssl: off
    # A value that is no scheme says nothing.
    return scheme if scheme == "http" or expected == "https" else None


def is_malformed(headers: FieldLines) -> bool:
    """Whether the line of `Forwarded` that counts is malformed, and so says nothing."""
    lines = headers.getall("Forwarded", ())
    return len(lines) > 0 and read_elements(lines[-1]) is None


def over_https(authority: Authority, port: int | None) -> Authority:
    """The host and port over HTTPS of one that was asked for over plain HTTP.

    Args:
        authority: what was asked for.
        port: the port of HTTPS; `None`: the one that was asked for, unless that is HTTP's.
    """
    chosen = port or (None if authority.port == 80 else authority.port)
    return Authority(authority.host, None if chosen == 443 else chosen)
