"""The peer of a connection, and the scheme that a proxy says it was reached by."""

import ipaddress
import re
import socket
from collections.abc import Collection

from aiohttp import web

from routeguard.configuration import Faults, listed, shown

__all__ = ["Trusted", "last_forwarded_proto", "last_value", "read_trusted"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 7239, section 4. A line is read only if it is well formed as a whole: in a broken one, what
# a client sent could pass for the element that the proxy appended. Possessive quantifiers keep
# the time to tell proportional to the length.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t !-~])*+"'
PAIR = rf"(?:{TOKEN}=(?:{TOKEN}|{QUOTED}))"
ELEMENT = rf"(?:{PAIR}?+(?:;{PAIR}?+)*+)"
ENTRY = re.compile(rf"[ \t]*+(?:({ELEMENT})|({TOKEN}))[ \t]*+(,|\Z)")
PARAMETER = re.compile(rf"({TOKEN})=(?:({TOKEN})|\"((?:[^\"\\]|\\.)*+)\")")
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
    single = isinstance(trusted, ipaddress.IPv4Network | ipaddress.IPv6Network)
    example = "trusted=['10.0.0.0/8']"
    for one in [trusted] if single else listed("trusted", trusted, example, faults):
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
            one_address = network.num_addresses == 1
            texts.append(str(network.network_address if one_address else network))
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


def last_forwarded_proto(lines: list[str]) -> str:
    """The scheme in the last element of `Forwarded` (RFC 7239, section 5.4), in lower case.

    A single token, which some proxies send, counts as the scheme itself. A line that is not well
    formed, or an element that names a parameter twice, says nothing.
    """
    line = lines[-1]
    if len(line) > LONGEST_LINE:
        return ""
    position, more = 0, True
    element = bare = ""
    while more:
        entry = ENTRY.match(line, position)
        if entry is None:
            return ""
        element, bare = entry[1] or "", entry[2] or ""
        position, more = entry.end(), entry[3] == ","
    if bare:
        return bare.lower()
    parameters: dict[str, str] = {}
    for name, token, quoted in PARAMETER.findall(element):
        if name.lower() in parameters:
            return ""
        parameters[name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted)
    return parameters.get("proto", "").lower()
