"""What trusted proxies report of a request: a pure function of its headers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from multidict import CIMultiDict, CIMultiDictProxy

from routeguard.configuration import shown
from routeguard.network.addresses import UNIX, Address, Node, read_node
from routeguard.network.authorities import read_authority
from routeguard.network.forwarded import (
    MOST_ENTRIES,
    Element,
    count_entries,
    entries_from_right,
    entry_from_right,
    read_elements,
    read_scheme,
)
from routeguard.network.peers import Trusted

__all__ = ["NOTHING", "FieldLines", "Reported", "ignored", "report"]

DEFAULT_PORTS = {"http": 80, "https": 443}

FieldLines = CIMultiDict[str] | CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class Reported:
    """What proxies report; `None` for what they say nothing of, or nothing that can be read.

    Attributes:
        remote: the client's address, in its shortest form.
        scheme: `"http"` or `"https"`.
        host: the host that the client asked for, with its port unless that is the scheme's.
    """

    remote: str | None = None
    scheme: str | None = None
    host: str | None = None


NOTHING = Reported()


def report(
    headers: FieldLines,
    trusted: Trusted,
    *,
    hops: int | None,
    forwarded: bool,
    host: bool,
    scheme: str,
) -> Reported:
    """What proxies report of a request that came from a trusted peer.

    Args:
        headers: the request's.
        trusted: the peers that the walk along the addresses passes.
        hops: which address from the right is the client's; `None`: the first that is not trusted.
        forwarded: whether `Forwarded` is read, instead of `X-Forwarded-*`.
        host: whether the host is reported.
        scheme: the request's own, by which a default port is left out where none is reported.
    """
    address, said = (
        _read_forwarded(headers, trusted, hops)
        if forwarded
        else _read_lists(headers, trusted, hops, host=host)
    )
    found = read_scheme(said.proto)
    return Reported(
        remote=None if address is None else str(address),
        scheme=found,
        host=_host(said.host, found or scheme) if host else None,
    )


def find_client(
    nodes: Iterable[Node | None], trusted: Trusted, hops: int | None
) -> tuple[Address | None, int]:
    """The client's address among those that proxies report, and its position.

    Args:
        nodes: from the right; `None` for what is no address.
        trusted: the nodes that are passed.
        hops: which of them is the client; `None`: the first that is not trusted.

    Returns:
        The address: the last one known where the walk meets none. `None` where none is known.
        The position, counted from the right from 0, of the entry that tells of the client: where
        the walk stopped. Where there is no such entry, the nearest.
    """
    if hops is not None:
        for position, node in enumerate(nodes, 1):
            if position == hops:
                return (None if node == UNIX else node), position - 1
        return None, 0
    address, stopped = None, 0
    for position, node in enumerate(nodes):
        stopped = position
        if node is not None and node != UNIX:
            address = node
        if node not in trusted:
            break
    return address, stopped


def _read_lists(
    headers: FieldLines, trusted: Trusted, hops: int | None, *, host: bool
) -> tuple[Address | None, Element]:
    lines = headers.getall("X-Forwarded-For", ())
    address, position = find_client(map(read_node, entries_from_right(lines)), trusted, hops)
    count = count_entries(lines)

    def said(name: str) -> str:
        given = headers.getall(name, ())
        return entry_from_right(given, position if count_entries(given) == count else 0)

    proto = said("X-Forwarded-Proto")
    if not host:
        return address, Element(proto=proto)
    named, port = said("X-Forwarded-Host"), said("X-Forwarded-Port")
    authority = read_authority(named)
    if authority is not None and authority.port is None and port:
        with_port = read_authority(f"{authority.host}:{port}")
        named = named if with_port is None else str(with_port)
    return address, Element(host=named, proto=proto)


def _read_forwarded(
    headers: FieldLines, trusted: Trusted, hops: int | None
) -> tuple[Address | None, Element]:
    elements = list(_elements_from_right(headers.getall("Forwarded", ())))
    if not elements:
        return None, Element()
    nodes = (read_node(element.node) for element in elements)
    address, position = find_client(nodes, trusted, hops)
    client, nearest = elements[position], elements[0]
    return address, Element(host=client.host or nearest.host, proto=client.proto or nearest.proto)


def _elements_from_right(lines: Sequence[str]) -> Iterator[Element]:
    """The elements up to the first line that is malformed."""
    left = MOST_ENTRIES
    for line in reversed(lines):
        for element in reversed(read_elements(line) or ()):
            if not left:
                return
            left -= 1
            yield element
        if read_elements(line) is None:
            return


def _host(text: str, scheme: str) -> str | None:
    authority = read_authority(text)
    if authority is None:
        return None
    if authority.port == DEFAULT_PORTS[scheme]:
        authority = replace(authority, port=None)
    return str(authority)


READERS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "X-Forwarded-For": (read_node, "address"),
    "X-Forwarded-Proto": (read_scheme, "scheme"),
    "X-Forwarded-Host": (read_authority, "host"),
    "for": (read_node, "address"),
    "proto": (read_scheme, "scheme"),
    "host": (read_authority, "host"),
}


def ignored(headers: FieldLines, *, forwarded: bool, host: bool) -> Iterator[str]:
    """What of the headers says nothing because it is malformed, in words."""
    said: dict[str, list[str]] = {}
    if forwarded:
        lines = headers.getall("Forwarded", ())
        if any(read_elements(line) is None for line in lines):
            yield "Forwarded has a malformed line: it says nothing, nor do those before it"
        for element in _elements_from_right(lines):
            for name, value in (
                ("for", element.node),
                ("proto", element.proto),
                ("host", element.host if host else ""),
            ):
                said.setdefault(name, []).extend([value] if value else [])
    else:
        for name in ("X-Forwarded-For", "X-Forwarded-Proto", *(["X-Forwarded-Host"] * host)):
            said[name] = list(entries_from_right(headers.getall(name, ())))
    for name, entries in said.items():
        read, what = READERS[name]
        wrong = next((entry for entry in entries if read(entry) is None), None)
        if wrong is not None:
            yield f"{name}: {shown(wrong)} is no {what}, and says nothing"
