"""`hosts`: only requests for these hosts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from routeguard.asking import Asked
from routeguard.configuration import Faults, shown
from routeguard.network.authorities import Authority
from routeguard.policies.hosts import telling
from routeguard.policies.hosts.names import HostPattern, HostSet, read_name
from routeguard.policies.hosts.serving import BoundHosts
from routeguard.policy import Place, Policy

__all__ = ["hosts"]

DEFAULT_PORTS = {"http": 80, "https": 443}


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
    patterns: tuple[HostPattern, ...] = field(compare=False)
    _admitted: HostSet = field(compare=False)

    def __init__(self, *names: str, report_only: bool = False) -> None:
        faults = Faults("hosts(...)")
        patterns = [pattern for name in names if (pattern := read_name(name, faults)) is not None]
        if not names:
            faults.add("no names, so that every request would be refused: write 'example.com'")
        if not isinstance(report_only, bool):
            faults.add(f"report_only={shown(report_only)} is no bool: write report_only=True")
        faults.raise_any()
        object.__setattr__(self, "names", tuple(dict.fromkeys(map(str, patterns))))
        object.__setattr__(self, "report_only", report_only)
        object.__setattr__(self, "patterns", tuple(dict.fromkeys(patterns)))
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

    def bind(self, place: Place) -> BoundHosts:
        """The policy as it serves requests."""
        return BoundHosts(self, place)

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        """Whether it refuses the request."""
        return telling.rows(self, asked)
