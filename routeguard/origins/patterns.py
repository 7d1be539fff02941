"""Origins and origin patterns: parsed once, matched in constant time whatever their number.

An origin is a scheme, a host and a port (RFC 6454; HTML, section 7.1.1), serialised as
`scheme://host[:port]` without the scheme's default port. A pattern is an origin in which the
leftmost label of the host, or the port, or both are a `*`.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import cache

from yarl import URL

from routeguard.configuration import shown

__all__ = ["DEFAULT_PORTS", "OriginSet", "is_of_host", "read_origin", "serialised"]

DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
LONGEST_ORIGIN = 512
LONGEST_HOST = 253  # RFC 1035, section 2.3.4, written with dots but without the root's

# As browsers serialise hosts (URL standard, host serializer): a label may begin or end with a
# hyphen, which registries refuse, and the root's dot at the end stays.
LABEL = r"[a-z0-9_-]{1,63}+"
HOST = rf"{LABEL}(?:\.{LABEL})*+\.?|\[[0-9a-f:.]+\]"
SCHEME = r"[a-z][a-z0-9+.-]*"
ORIGIN = re.compile(rf"({SCHEME})://({HOST})(?::([1-9][0-9]{{0,4}}))?", re.ASCII)
OF_HOST = re.compile(rf"(https?)://((?:{HOST})(?::[1-9][0-9]{{0,4}})?)", re.ASCII)
GIVEN = re.compile(r"(?:(?P<scheme>[^:/?#]*):)?(?P<slashes>//)?(?P<rest>[^/?#]*)(?P<tail>.*)")


def serialised(text: str) -> str | None:
    """An origin as a browser serialises it, from a request's header.

    Args:
        text: the value of `Origin`, as it came.

    Returns:
        The origin with scheme and host in lower case, or `"null"`. `None` for what no browser
        sends: garbage, non-ASCII, an over-long text, a default port written out.
    """
    # Lower-casing maps some other characters to ASCII letters, so ASCII comes first.
    if len(text) > LONGEST_ORIGIN or not text.isascii():
        return None
    if text == "null":
        return text
    text = text.lower()
    return text if _is_origin(text) else None


def _is_origin(text: str) -> bool:
    found = ORIGIN.fullmatch(text)
    if found is None:
        return False
    scheme, host, port = found[1], found[2], found[3]
    if port is not None and not _is_port(port, scheme):
        return False
    return len(host.removesuffix(".")) <= LONGEST_HOST


def is_of_host(origin: str, host: str) -> bool:
    """Whether an origin is that of the pages of a host, over HTTP or HTTPS.

    The scheme's default port may be written out on either side. The root's dot makes another
    host, as it does for browsers.

    Args:
        origin: the value of `Origin`, as it came.
        host: the host that a request was sent to, with its port, as `Host` has it.
    """
    # Lower-casing maps some other characters to ASCII letters, so ASCII comes first.
    if len(origin) > LONGEST_ORIGIN or not (origin.isascii() and host.isascii()):
        return False
    found = OF_HOST.fullmatch(origin.lower())
    if found is None:
        return False
    default = f":{DEFAULT_PORTS[found[1]]}"
    return found[2].removesuffix(default) == host.lower().removesuffix(default)


class OriginSet:
    """Origins and origin patterns, as a set that tells in constant time what belongs to it.

    A text belongs to it only as browsers serialise origins: see `serialised`.
    """

    __slots__ = ("_any_port", "_exact", "_fronts")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Takes patterns that `read_origin` has passed."""
        self._exact: set[str] = set()
        schemes: dict[str, set[str]] = {}
        any_port: list[str] = []
        for pattern in patterns:
            fixed = pattern.removesuffix(":*")
            if fixed != pattern:
                any_port.append(fixed)
            scheme, _, host = fixed.partition("://")
            if host.startswith("*."):
                schemes.setdefault(host[2:], set()).add(scheme)
            else:
                self._exact.add(fixed)
        self._fronts = {parent: _front(frozenset(of)) for parent, of in schemes.items()}
        """By host and port of their parent, what origins of subdomains have in front of it."""
        self._any_port: OriginSet | None = OriginSet(any_port) if any_port else None
        """Without their port, those that may have any."""

    def __contains__(self, origin: object) -> bool:
        if not isinstance(origin, str):
            return False
        if origin in self._exact:
            return True
        if self._fronts and len(origin) <= LONGEST_ORIGIN:
            # The labels from the right are what a pattern fixes: one look-up for each.
            front, dot, parent = origin.partition(".")
            while dot:
                allowed = self._fronts.get(parent)
                if allowed is not None and allowed.fullmatch(front):
                    return len(origin) <= LONGEST_HOST or _fits(origin)
                label, dot, parent = parent.partition(".")
                front = f"{front}.{label}"
        if self._any_port is None:
            return False
        fixed, _, port = origin.rpartition(":")
        return fixed in self._any_port and _is_port(port, fixed.partition(":")[0])


@cache
def _front(schemes: frozenset[str]) -> re.Pattern[str]:
    """A scheme, and one or more labels of a host."""
    any_scheme = "|".join(map(re.escape, schemes))
    return re.compile(rf"(?:{any_scheme})://{LABEL}(?:\.{LABEL})*+", re.ASCII)


def _fits(origin: str) -> bool:
    """Whether the host of an origin is no longer than one can be."""
    host = origin.partition("://")[2].partition(":")[0]
    return len(host.removesuffix(".")) <= LONGEST_HOST


def _is_port(text: str, scheme: str) -> bool:
    """Whether a text is a port as an origin has it: never the scheme's default one."""
    return _is_number(text) and text != DEFAULT_PORTS.get(scheme)


def _is_number(text: str) -> bool:
    """Whether a text is the number of a port."""
    if not (text.isdecimal() and text.isascii()) or text[0] == "0":
        return False
    # Of equally many digits, texts are in the order of their numbers.
    return len(text) < 5 or (len(text) == 5 and text <= "65535")


def read_origin(given: str | URL) -> tuple[str, list[str]]:
    """Reads a configured origin or origin pattern.

    Args:
        given: `https://example.com`, `https://*.example.com`, `http://localhost:*`,
            `https://*.example.com:*`, or a `yarl.URL` with no path but `/`.

    Returns:
        The pattern in lower case, and the faults found in it, each with its remedy.
    """
    if isinstance(given, URL):
        return _read_url(given)
    name = f"`{given}`" if len(given) < 120 else shown(given)
    if len(given) > LONGEST_ORIGIN:
        return given, [f"{shown(given)} is no host name: no origin is as long"]
    if given.lower() == "null":
        return given, [f"{name}: the opaque origin is written `null`"]
    several = [part for part in re.split(r"[\s,]+", given) if part]
    if len(several) > 1 and all("://" in part for part in several):
        return given, [f"{name} is several origins in one text: write {several!r}"]
    if not given or given != given.strip() or re.search(r"[\x00-\x20\x7f]", given):
        return given, [f"{name} has white space, or is empty: write `https://example.com`"]
    if not given.isascii():
        return given, [f"{name} is not ASCII: write it in Punycode, {_punycode(given)}"]
    parts = GIVEN.fullmatch(given)
    assert parts is not None
    scheme, rest, tail = (parts["scheme"] or "").lower(), parts["rest"].lower(), parts["tail"]
    if scheme == "file":
        return given, [f"{name}: pages from files have the origin `null`: serve them over HTTP"]
    if not parts["slashes"] or not scheme:
        if scheme in DEFAULT_PORTS:
            remedy = f"{scheme}://{(rest or tail).strip('/')}"
        else:
            remedy = f"https://{given.lstrip('/').partition('/')[0]}"
        return given, [f"{name} has no scheme and two slashes: write `{remedy}`"]
    faults = []
    if not re.fullmatch(SCHEME, scheme):
        faults.append(f"{name}: `{scheme}` is no scheme: write `https://{rest}`")
    if "@" in rest:
        rest = rest.rpartition("@")[2]
        faults.append(f"{name} has a user name: write `{scheme}://{rest}`")
    if tail:
        what = {"/": "a path", "?": "a query", "#": "a fragment"}[tail[0]]
        faults.append(f"{name} has {what}: write `{scheme}://{rest}`")
    faults += _check_authority(name, scheme, rest)
    return f"{scheme}://{rest}", faults


def _check_authority(name: str, scheme: str, rest: str) -> list[str]:
    split = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", rest)
    if split is None or (rest.count(":") > 1 and "[" not in rest):
        return [f"{name}: `{rest}` is no host: an IPv6 address stands in brackets, `[::1]`"]
    host, port = split[1], split[2]
    faults = []
    if port is not None and port != "*":
        if not _is_number(port):
            faults.append(f"{name}: `{port}` is no port: write 1 to 65535, or `*` for any")
        elif DEFAULT_PORTS.get(scheme) == port:
            faults.append(
                f"{name} writes out the default port, which browsers leave out: "
                f"write `{scheme}://{host}`"
            )
    base = host.removeprefix("*.")
    name_only = base.removesuffix(".")
    last = name_only.rpartition(".")[2]
    if host == "*" and scheme not in DEFAULT_PORTS:
        # An extension has another identifier in each browser that it is installed in.
        pattern = scheme.replace(".", "[.]").replace("+", "[+]") + "://[a-z0-9-]+"
        faults.append(f"{name}: a `*` stands for no identifier: write re.compile('{pattern}')")
    elif host == "*":
        faults.append(f"{name} would admit every host: write '*' alone if that is meant")
    elif "*" in base:
        faults.append(
            f"{name}: a `*` stands only for whole labels at the left: write "
            f"`{scheme}://*.example.com`"
        )
    elif host.startswith("["):
        faults += _check_ipv6(name, scheme, host)
    elif not re.fullmatch(HOST, base) or len(name_only) > LONGEST_HOST:
        faults.append(f"{name}: `{host}` is no host name: write `https://example.com`")
    elif last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        faults += _check_ipv4(name, scheme, host)
    return faults


def _check_ipv4(name: str, scheme: str, host: str) -> list[str]:
    # A host whose last label is a number is an IPv4 address (URL standard, "ends in a number").
    if host.startswith("*."):
        return [f"{name}: an address has no subdomains: write `{scheme}://{host[2:].rstrip('.')}`"]
    if host.endswith("."):
        return [
            f"{name}: browsers leave out the dot after an address: write `{scheme}://{host[:-1]}`"
        ]
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return [f"{name}: `{host}` is no IPv4 address: write `{scheme}://127.0.0.1`"]
    return []


def _check_ipv6(name: str, scheme: str, host: str) -> list[str]:
    try:
        if "%" in host:
            raise ValueError(host)  # a zone is no part of an origin's host
        address = ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return [f"{name}: `{host}` is no IPv6 address: write `{scheme}://[::1]`"]
    canonical = f"[{_ipv6_text(address)}]"
    if canonical != host:
        return [f"{name}: browsers write `{host}` as `{canonical}`: write `{scheme}://{canonical}`"]
    return []


def _ipv6_text(address: ipaddress.IPv6Address) -> str:
    # Browsers write a mapped address in hexadecimal (URL standard, IPv6 serializer).
    text = address.compressed
    mapped = address.ipv4_mapped
    if mapped is not None and "." in text:
        high, low = divmod(int(mapped), 1 << 16)
        return f"::ffff:{high:x}:{low:x}"
    return text


def _read_url(url: URL) -> tuple[str, list[str]]:
    name = f"`{url}`"
    if not url.absolute or not url.raw_host:
        return str(url), [f"{name} is no absolute URL: write URL('https://example.com')"]
    host = url.host_subcomponent or ""
    is_default = str(url.port) == DEFAULT_PORTS.get(url.scheme)
    port = "" if url.port is None or is_default else f":{url.port}"
    origin = f"{url.scheme}://{host}{port}".lower()
    user = url.raw_user or url.raw_password
    if url.raw_path not in ("", "/") or url.raw_query_string or url.raw_fragment or user:
        return origin, [f"{name} is more than an origin: write `{origin}`"]
    return read_origin(origin)


def _punycode(given: str) -> str:
    scheme, _, rest = given.rpartition("://")
    host, colon, port = rest.removeprefix("*.").partition(":")
    wildcard = "*." if rest.startswith("*.") else ""
    try:
        ascii_host = URL(f"https://{host}").host_subcomponent
    except (ValueError, IndexError):
        return "`https://xn--…`"
    return f"`{scheme or 'https'}://{wildcard}{ascii_host}{colon}{port}`"
