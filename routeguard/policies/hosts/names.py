"""The names that `hosts` takes: how they are read, and which hosts are among them."""

from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from routeguard.configuration import Faults, shown
from routeguard.network.authorities import Authority, read_authority

__all__ = ["HostPattern", "HostSet", "read_name"]


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A name as `hosts` takes it, in one form."""

    authority: Authority
    subdomains: bool

    def __str__(self) -> str:
        return f"{'*.' if self.subdomains else ''}{self.authority}"


class HostSet:
    """Host patterns, as a set that tells in constant time which hosts belong to it."""

    __slots__ = ("_exact", "_parents")

    def __init__(self, patterns: Iterable[HostPattern]) -> None:
        self._exact: set[tuple[str, int | None]] = set()
        self._parents: set[tuple[str, int | None]] = set()
        for pattern in patterns:
            chosen = self._parents if pattern.subdomains else self._exact
            chosen.add((pattern.authority.host, pattern.authority.port))

    def includes(self, authority: Authority, default_port: int | None) -> bool:
        """Whether a host belongs to it; `default_port` is its port where none is written."""
        host, port = authority.host.removesuffix("."), authority.port or default_port
        if (host, None) in self._exact or (host, port) in self._exact:
            return True
        if self._parents and not host.startswith("["):
            dot = host.find(".")
            while dot > 0:
                parent = host[dot + 1 :]
                if (parent, None) in self._parents or (parent, port) in self._parents:
                    return True
                dot = host.find(".", dot + 1)
        return False


def read_name(given: object, faults: Faults) -> HostPattern | None:
    if not isinstance(given, str):
        if callable(given):
            faults.add("it was written without names: write @hosts('example.com')")
        elif isinstance(given, list | tuple | set | frozenset):
            names = ", ".join(shown(name) for name in given) or "'example.com'"
            faults.add(f"{shown(given)} is no host name: write hosts({names})")
        else:
            faults.add(f"{shown(given)} is no host name: write 'example.com'")
        return None
    name = f"`{given}`" if len(given) < 120 else shown(given)
    base = given.removeprefix("*.")
    if base.count(":") > 1 and "[" not in base:
        base = f"[{base}]"
    authority = read_authority(base)
    if authority is None:
        faults.add(f"{name} {_what_is_wrong(given)}")
        return None
    host = authority.host.removesuffix(".")
    wildcard = given.startswith("*.")
    if wildcard and (host.startswith("[") or host.rpartition(".")[2].isdigit()):
        faults.add(f"{name}: an address has no subdomains: write `{host}`")
        return None
    return HostPattern(Authority(host, authority.port), wildcard)


def _what_is_wrong(given: str) -> str:
    if not given.strip():
        return "is empty: write 'example.com'"
    if given == "*":
        return "would admit every host: leave hosts out"
    if "://" in given:
        return f"is a URL: write the host alone, {_host_of(given)!r}"
    if "/" in given:
        return f"has a path: write the host alone, {given.partition('/')[0]!r}"
    if given.startswith("."):
        return f"begins with a dot: write '*{given}' for its subdomains"
    if given.endswith(":*"):
        return f"writes out that any port will do: write {given[:-2]!r}, which admits every port"
    if "*" in given.removeprefix("*."):
        return "has a `*` that stands for no whole labels at the left: write '*.example.com'"
    if "," in given or " " in given.strip():
        return "is several names in one text: write hosts('example.com', 'example.org')"
    if not given.isascii():
        return f"is not ASCII: write it in Punycode, {_host_of(f'https://{given}')!r}"
    return "is no host name: write 'example.com', 'example.com:8443' or '[::1]'"


def _host_of(url: str) -> str:
    try:
        return URL(url).host_subcomponent or "example.com"
    except (ValueError, IndexError):
        return "example.com"
