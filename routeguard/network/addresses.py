"""IP addresses as sockets and proxies write them."""

import ipaddress
import re
from functools import lru_cache
from typing import Final, Literal

__all__ = ["UNIX", "Address", "Node", "read_address", "read_node"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNIX: Final = "unix"
"""A Unix socket, which has no address."""

Node = Address | Literal["unix"]
"""An address, or `UNIX`."""

LONGEST = 100
KEPT = 2048
IPV6 = r"[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]++"  # has a colon at least
ZONE = r"(?:%[A-Za-z0-9._~%-]{1,40})?"
PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"  # RFC 7239, section 6: a number, or obfuscated
NODE = re.compile(
    rf"\[(?P<bracketed>{IPV6}){ZONE}\]{PORT}"  # only IPv6 stands in brackets
    rf"|(?P<dotted>[0-9.]+){PORT}"
    rf"|(?P<bare>{IPV6}){ZONE}",
    re.ASCII,
)


def read_address(text: str) -> Address | None:
    """Reads the address of a socket's peer; `None` for what is none.

    The zone of a link-local address is dropped. An IPv4 address mapped into IPv6 (RFC 4291,
    section 2.5.5.2) is the IPv4 address.
    """
    return _read_address(text.partition("%")[0]) if len(text) <= LONGEST else None


def read_node(text: str) -> Node | None:
    """Reads who sent something, as a proxy writes it in a header; `None` for what is no address.

    Args:
        text: an address, with or without a port; IPv6 bracketed or bare, with or without a zone.
            A bare IPv6 address has no port. `unix:` is what nginx writes for a Unix socket.
    """
    if len(text) > LONGEST:
        return None
    found = NODE.fullmatch(text)
    if found is None:
        return UNIX if text == "unix:" else None
    return _read_address(found["bracketed"] or found["dotted"] or found["bare"])


@lru_cache(maxsize=KEPT)
def _read_address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
