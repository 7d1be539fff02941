"""The host and port that a request is for (RFC 9110, section 7.2), and its connection's scheme."""

import ipaddress
import re
from dataclasses import dataclass

import aiohttp
from aiohttp import hdrs, web

__all__ = [
    "TARGET_SETS_SCHEME",
    "Authority",
    "connection_scheme",
    "read_authority",
    "target_authority",
]

VERSION = tuple(int(part) for part in re.findall(r"\d+", aiohttp.__version__)[:3])

TARGET_SETS_SCHEME: bool = VERSION < (3, 14, 4)
"""Whether aiohttp takes the scheme of a request from an absolute target, which a client writes."""

LONGEST = 300
LONGEST_NAME = 253  # RFC 1035, section 2.3.4, written with dots and without the root's
LABEL = r"[a-z0-9_-]{1,63}"
AUTHORITY = re.compile(
    rf"(?P<name>{LABEL}(?:\.{LABEL})*\.?)(?::(?P<port>[0-9]{{1,5}}))?"
    r"|\[(?P<ipv6>[0-9a-f:.]+)\](?::(?P<port6>[0-9]{1,5}))?",
    re.ASCII,
)
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")


@dataclass(frozen=True, slots=True)
class Authority:
    """A host, and the port where one is written.

    Attributes:
        host: a name or an address in lower case; IPv6 in brackets, in its shortest form.
        port: 1 to 65535; `None` for the scheme's default.
    """

    host: str
    port: int | None = None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def read_authority(text: str) -> Authority | None:
    """Reads `host[:port]`, as `Host` and its like have it; `None` for what is none.

    A name is one that DNS can have, underscores included; one whose last label is a number must
    be an IPv4 address, as in a browser (URL standard, "ends in a number").
    """
    # Lower-casing maps some other characters to ASCII letters, so ASCII comes first.
    if len(text) > LONGEST or not text.isascii():
        return None
    found = AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    digits = found["port"] or found["port6"]
    port = int(digits) if digits else None
    if port is not None and not 0 < port < 65536:
        return None
    host = _read_ipv6(found["ipv6"]) if found["ipv6"] else _read_name(found["name"])
    return None if host is None else Authority(host, port)


def _read_name(name: str) -> str | None:
    last = name.removesuffix(".").rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            return None
    return name if len(name.removesuffix(".")) <= LONGEST_NAME else None


def _read_ipv6(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    if address.ipv4_mapped is not None:
        # Browsers write these in hexadecimal; Python's versions differ.
        high, low = divmod(int(address.ipv4_mapped), 1 << 16)
        return f"[::ffff:{high:x}:{low:x}]"
    return f"[{address.compressed}]"


def target_authority(request: web.BaseRequest) -> Authority | None:
    """The host and port that a request's client wrote.

    That of an absolute target comes before `Host` (RFC 9112, section 3.2.2). aiohttp's
    `request.host` drops the port of such a target, and where there is no `Host` it is the local
    address.

    Returns:
        `None` for a request without `Host`, with several, or with one that is none.
    """
    hosts = request.headers.getall(hdrs.HOST, ())
    if len(hosts) != 1:
        return None
    target = request.raw_path
    if not target.startswith("/"):
        if request.method == hdrs.METH_CONNECT:
            return read_authority(target)
        absolute = ABSOLUTE.match(target)
        if absolute is not None:
            return read_authority(absolute[1])
    return read_authority(hosts[0])


def connection_scheme(request: web.BaseRequest) -> str:
    """The scheme of a request, unless it is only what a client wrote in an absolute target."""
    if not TARGET_SETS_SCHEME or request.raw_path.startswith("/"):
        return request.scheme
    return "http" if request.get_extra_info("sslcontext") is None else "https"
