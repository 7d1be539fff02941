"""The peer of a connection, and the scheme that a proxy says it was reached by."""

import ipaddress
import re
import socket
from collections.abc import Collection

from aiohttp import web

from routeguard.configuration import Faults, shown

__all__ = ["Trusted", "last_forwarded_proto", "last_value", "read_trusted"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 7239, section 4. aiohttp reads the elements; this says beforehand whether a line is well
# formed, since in a broken one what a client appended could pass for the proxy's element.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t !-~])*"'
PAIR = rf"{TOKEN}=(?:{TOKEN}|{QUOTED})"
ELEMENT = rf"(?:{PAIR}(?:;{PAIR})*;?)?"
LINE = re.compile(rf"[ \t]*{ELEMENT}(?:[ \t]*,[ \t]*{ELEMENT})*[ \t]*")
LONGEST_LINE = 4000
KNOWN_PEERS = 1000


class Trusted:
    """The peers whose headers are believed."""

    __slots__ = ("_known", "all", "networks", "unix")

    def __init__(self, networks: tuple[Network, ...], *, unix: bool, everyone: bool) -> None:
        self.networks: tuple[Network, ...] = networks
        self.unix: bool = unix
        self.all: bool = everyone
        self._known: dict[str, bool] = {}

    def includes(self, request: web.BaseRequest) -> bool:
        """Whether a request came straight from a trusted peer.

        The peer is the socket's. `request.remote` may have been set by whoever cloned the
        request. Where the peer cannot be known, as when it has gone, it is not trusted.
        """
        if self.all:
            return True
        peer = request.get_extra_info("peername")
        if isinstance(peer, tuple) and peer and isinstance(peer[0], str):
            host = peer[0]
            known = self._known.get(host)
            if known is None:
                known = self._contains(host)
                if len(self._known) < KNOWN_PEERS:
                    self._known[host] = known
            return known
        return self.unix and _is_unix(request)

    def _contains(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


def _is_unix(request: web.BaseRequest) -> bool:
    connection = request.get_extra_info("socket")
    family = getattr(connection, "family", None)
    return family is not None and family == getattr(socket, "AF_UNIX", None)


def read_trusted(trusted: str | Collection[str], faults: Faults) -> tuple[str, ...]:
    """Checks what `trusted=` was given; returns it as texts in one form."""
    texts: list[str] = []
    for one in (trusted,) if isinstance(trusted, str) else trusted:
        if one in ("*", "unix"):
            texts.append(str(one))
            continue
        try:
            network = ipaddress.ip_network(one if isinstance(one, str) else str(one))
        except ValueError as error:
            texts_remedy = "write '10.0.0.0/8', '::1', 'unix' for Unix sockets, or '*' for all"
            if isinstance(one, str) and "has host bits set" in str(error):
                texts_remedy = f"write {str(ipaddress.ip_network(one, strict=False))!r}"
            faults.add(f"trusted: {shown(one)} is no network or address: {texts_remedy}")
        else:
            single = network.num_addresses == 1
            texts.append(str(network.network_address if single else network))
    if not texts and not faults:
        faults.add("trusted is empty, so that no header is believed: leave https() out")
    return tuple(texts)


def make_trusted(texts: Collection[str]) -> Trusted:
    """The peers that checked texts name."""
    networks: list[Network] = []
    for text in texts:
        if text not in ("*", "unix"):
            network = ipaddress.ip_network(text)
            mapped = getattr(network.network_address, "ipv4_mapped", None)
            if mapped is not None and network.prefixlen >= 96:
                network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
            networks.append(network)
    return Trusted(tuple(networks), unix="unix" in texts, everyone="*" in texts)


def last_value(lines: list[str]) -> str:
    """The last entry of a list header: that of the nearest proxy, which came last to it."""
    return lines[-1].rpartition(",")[2].strip().lower()


def last_forwarded_proto(request: web.BaseRequest, lines: list[str]) -> str:
    """The scheme in the last element of `Forwarded` (RFC 7239, section 5.4).

    A bare value, which some proxies send, counts as the scheme itself; a line that is not well
    formed says nothing.
    """
    line = lines[-1]
    if len(line) > LONGEST_LINE:
        return ""
    bare = last_value(lines)
    if re.fullmatch(TOKEN, bare):
        return bare
    if not LINE.fullmatch(line):
        return ""
    elements = request.forwarded
    return elements[-1].get("proto", "").lower() if elements else ""
