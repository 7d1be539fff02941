"""`hosts`: only requests for these hosts."""

import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from aiohttp import web
from yarl import URL

from routeguard.authorities import Authority, read_authority
from routeguard.configuration import Faults, shown
from routeguard.policy import Bound, Place, Policy
from routeguard.quoting import quoted
from routeguard.running.events import Action
from routeguard.running.proxies import asked_authority
from routeguard.running.state import Run, State

__all__ = ["HostRefused", "hosts"]

DEFAULT_PORTS = {"http": 80, "https": 443}

logger: logging.Logger = logging.getLogger("routeguard.hosts")


class HostRefused(web.HTTPMisdirectedRequest):
    """A request for a host that is not served here: 421 (RFC 9110, section 15.5.20)."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class hosts(Policy):
    """Admits only requests for the named hosts; others are answered 421 (RFC 9110, 15.5.20).

    It guards what is built from the host, such as links in mails and cached pages, and a service
    on a private network against DNS rebinding. The host is the one that `proxied(host=True)`
    took, or that of the request's target. A request without `Host`, or with two, is refused.

    Args:
        names: exact names (`"example.com"`), all subdomains at any depth but not the name itself
            (`"*.example.com"`), or addresses (`"127.0.0.1"`, `"[::1]"`). Without a port, every
            port is admitted; with one (`"example.com:8443"`) that port. Case, the scheme's
            default port and the root's dot make no difference.
        report_only: log what would be refused, and let it pass. Default: no.

    Raises:
        ConfigError: no names; something that is no such name; `report_only` that is no bool.
    """

    names: tuple[str, ...]
    report_only: bool
    _admitted: "HostSet" = field(compare=False)

    def __init__(self, *names: str, report_only: bool = False) -> None:
        faults = Faults("hosts(...)")
        patterns = [pattern for name in names if (pattern := _read(name, faults)) is not None]
        if not names:
            faults.add("no names, so that every request would be refused: write 'example.com'")
        if not isinstance(report_only, bool):
            faults.add(f"report_only={shown(report_only)} is no bool: write report_only=True")
        faults.raise_any()
        object.__setattr__(self, "names", tuple(dict.fromkeys(map(str, patterns))))
        object.__setattr__(self, "report_only", report_only)
        object.__setattr__(self, "_admitted", HostSet(patterns))

    def __repr__(self) -> str:
        given = [repr(name) for name in self.names]
        given += ["report_only=True"] if self.report_only else []
        return f"hosts({', '.join(given)})"

    def admits(self, authority: Authority, scheme: str) -> bool:
        """Whether requests for a host are admitted.

        Args:
            authority: the host and port.
            scheme: the request's, which says what its port is where none is written.
        """
        return self._admitted.includes(authority, DEFAULT_PORTS.get(scheme))

    def bind(self, place: Place) -> "BoundHosts":
        """The policy as it serves requests."""
        return BoundHosts(self, place)


class BoundHosts(Bound):
    """One `hosts` in one run of the application."""

    __slots__ = ("place", "policy")

    def __init__(self, policy: hosts, place: Place) -> None:
        self.policy: hosts = policy
        self.place: Place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: requests for other hosts come no further."""
        policy = self.policy

        def run(request: web.Request, state: State) -> Awaitable[web.StreamResponse]:
            authority = asked_authority(request)
            if authority is None or not policy.admits(authority, request.scheme):
                self._refuse(request, authority)
            return inner(request, state)

        return run

    def _refuse(self, request: web.Request, authority: Authority | None) -> None:
        logger.info(
            "%s %s: %s %s, by the policy of %s",
            "would refuse" if self.policy.report_only else "refused",
            "a request without a host" if authority is None else f"host {authority}",
            request.method,
            quoted(request.path),
            self.place,
        )
        refusal = HostRefused(text="this host is not served here")
        action: Action = "would refuse" if self.policy.report_only else "refused"
        self.place.tell(request, "hosts", action, status=refusal.status, error=refusal)
        if not self.policy.report_only:
            raise refusal


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


def _read(given: object, faults: Faults) -> HostPattern | None:
    if not isinstance(given, str):
        if callable(given):
            faults.add("it was written without names: write @hosts('example.com')")
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
