"""The peers whose headers are believed."""

import ipaddress
import socket
from collections.abc import Collection

from aiohttp import web

from routeguard.bounded import Bounded
from routeguard.configuration import Faults, listed, shown
from routeguard.network.addresses import UNIX, Address, Node, read_address

__all__ = [
    "DEFAULT_TRUSTED",
    "EVERYONE",
    "Network",
    "Trusted",
    "make_trusted",
    "read_trusted",
    "socket_peer",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYONE = "*"
DEFAULT_TRUSTED = ("127.0.0.0/8", "::1", "unix")
KNOWN_PEERS = 1000


class Trusted:
    """Networks and Unix sockets, as a set that tells in constant time who belongs to it."""

    __slots__ = ("_known", "_prefixes", "everyone", "networks", "unix")

    def __init__(self, networks: tuple[Network, ...], *, unix: bool, everyone: bool) -> None:
        self.networks: tuple[Network, ...] = networks
        self.unix: bool = unix
        self.everyone: bool = everyone
        # By IP version and the number of bits behind the prefix: the prefixes.
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            behind = network.max_prefixlen - network.prefixlen
            prefix = int(network.network_address) >> behind
            self._prefixes.setdefault((network.version, behind), set()).add(prefix)
        self._known: Bounded[bool] = Bounded(KNOWN_PEERS)

    def __contains__(self, node: Node | None) -> bool:
        """Whether a node is trusted; `None`, which is unknown, is not."""
        if node is None or isinstance(node, str):
            return (self.everyone or self.unix) and node == UNIX
        return self.everyone or self._contains(node)

    def _contains(self, address: Address) -> bool:
        number, version = int(address), address.version
        return any(
            number >> behind in prefixes
            for (of, behind), prefixes in self._prefixes.items()
            if of == version
        )

    def includes(self, request: web.BaseRequest) -> bool:
        """Whether a request came straight from a trusted peer.

        The peer is the socket's. `request.remote` may have been set by whoever is outside. Where
        the peer cannot be known, as when it has gone, it is not trusted.
        """
        if self.everyone:
            return True
        name = request.get_extra_info("peername")
        if isinstance(name, tuple) and name and isinstance(name[0], str):
            known = self._known.get(name[0])
            if known is None:
                known = read_address(name[0]) in self
                self._known.put(name[0], known)
            return known
        return self.unix and socket_peer(request) == UNIX


def socket_peer(request: web.BaseRequest) -> Node | None:
    """The other end of a request's connection; `None` where it cannot be known."""
    name = request.get_extra_info("peername")
    if isinstance(name, tuple):
        return read_address(name[0]) if name and isinstance(name[0], str) else None
    family = getattr(request.get_extra_info("socket"), "family", None)
    is_unix = family is not None and family == getattr(socket, "AF_UNIX", None)
    return UNIX if is_unix else None


def read_trusted(trusted: str | Collection[str], faults: Faults) -> tuple[str, ...]:
    """Checks what `trusted=` was given; returns it as texts in one form."""
    texts: list[str] = []
    single = isinstance(trusted, ipaddress.IPv4Network | ipaddress.IPv6Network)
    example = "trusted=['10.0.0.0/8']"
    for one in [trusted] if single else listed("trusted", trusted, example, faults):
        if one in (EVERYONE, UNIX):
            texts.append(str(one))
            continue
        try:
            network = ipaddress.ip_network(one if isinstance(one, str) else str(one))
        except ValueError as error:
            remedy = "write '10.0.0.0/8', '::1', 'unix' for Unix sockets, or '*' for all"
            if isinstance(one, str) and "has host bits set" in str(error):
                remedy = f"write {str(ipaddress.ip_network(one, strict=False))!r}"
            faults.add(f"trusted: {shown(one)} is no network or address: {remedy}")
        else:
            one_address = network.num_addresses == 1
            texts.append(str(network.network_address if one_address else network))
    if not texts and not faults:
        faults.add("trusted is empty, so that no header is believed: leave the policy out")
    return tuple(texts)


def make_trusted(texts: Collection[str]) -> Trusted:
    """The peers that checked texts name."""
    networks: list[Network] = []
    for text in texts:
        if text not in (EVERYONE, UNIX):
            network = ipaddress.ip_network(text)
            mapped = getattr(network.network_address, "ipv4_mapped", None)
            if mapped is not None and network.prefixlen >= 96:
                network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
            networks.append(network)
    return Trusted(tuple(networks), unix=UNIX in texts, everyone=EVERYONE in texts)
