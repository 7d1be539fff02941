"""`proxied`: the client's address, scheme and host, as trusted proxies report them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from aiohttp import web
from multidict import istr

from routeguard.asking import Asked, Stated
from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.configuration import Faults, shown
from routeguard.finding import Finding
from routeguard.network.addresses import Node
from routeguard.network.forwarded import MOST_ENTRIES
from routeguard.network.peers import DEFAULT_TRUSTED, EVERYONE, Trusted, make_trusted, read_trusted
from routeguard.policies.proxied import telling
from routeguard.policies.proxied.decision import NOTHING, FieldLines, Reported, report
from routeguard.policies.proxied.serving import BoundProxied
from routeguard.policy import Place, Policy

__all__ = ["proxied"]

ADDRESS_LIST = istr("X-Forwarded-For")
SCHEME_LIST = istr("X-Forwarded-Proto")
HOST_LISTS = (istr("X-Forwarded-Host"), istr("X-Forwarded-Port"))
FORWARDED = istr("Forwarded")

NO_LINES: tuple[str, ...] = ()
KEPT = 1000


@dataclass(frozen=True, slots=True, init=False, repr=False)
class proxied(Policy):
    """Sets the client's address and scheme, and by choice the host, that trusted proxies report.

    Everybody sees them, the access log included: in `request.remote`, `request.scheme`,
    `request.secure`, `request.url` and, with `host`, `request.host`. On a route with this policy,
    `https` and `csrf` go by the request.

    One family of headers is read. The addresses are walked from the right, past trusted ones, to
    the first that is not trusted; that is the client. Where all are trusted it is the leftmost
    that was examined; what is no address stops the walk at the last one known. Scheme and host
    are the entries at the client's position where a header has as many entries as there are
    addresses, and otherwise the nearest proxy's. What is malformed is ignored.

    The proxies must set or append these headers: what they only pass on is the client's own.

    Args:
        trusted: the peers whose headers are believed, and the addresses that the walk passes:
            networks and addresses, `"unix"` for Unix sockets, `"*"` for everyone, which needs
            `hops`. Default: loopback and Unix sockets. The peer is the socket's.
        hops: how many proxies add an entry: the client is the entry with this number from the
            right, and no other. Default: the walk finds it.
        forwarded: read `Forwarded` (RFC 7239) instead of `X-Forwarded-For`, `-Proto`, `-Host` and
            `-Port`. Default: no.
        host: take the host too, with `X-Forwarded-Port` where it has no port of its own.
            Default: no; most proxies can pass `Host` on as it is.

    Raises:
        ConfigError: names or garbage among `trusted`, `trusted="*"` without `hops`, `hops` that
            is no number from 1 to 100, `forwarded` or `host` that is no bool.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {"RG402": "proxied believes everyone"}

    trusted: tuple[str, ...]
    hops: int | None
    forwarded: bool
    host: bool
    headers: tuple[istr, ...] = field(compare=False)
    """The headers that are read."""
    _peers: Trusted = field(compare=False)
    _known: Bounded[Reported] = field(compare=False)

    def __init__(
        self,
        trusted: str | Collection[str] = DEFAULT_TRUSTED,
        *,
        hops: int | None = None,
        forwarded: bool = False,
        host: bool = False,
    ) -> None:
        faults = Faults("proxied(...)")
        texts: tuple[str, ...] = ()
        if callable(trusted):
            faults.add("it was written without its parentheses: write @proxied() above the handler")
        else:
            texts = read_trusted(trusted, faults)
        if hops is not None and (type(hops) is not int or not 1 <= hops <= MOST_ENTRIES):
            faults.add(
                f"hops={shown(hops)} is no number from 1 to {MOST_ENTRIES}: write how many proxies "
                f"add an entry, hops=1"
            )
        if EVERYONE in texts and hops is None:
            faults.add(
                "trusted='*' would take the first address that a client wrote itself: say how "
                "many proxies add an entry, proxied('*', hops=1)"
            )
        for name, value in (("forwarded", forwarded), ("host", host)):
            if not isinstance(value, bool):
                faults.add(f"{name}={shown(value)} is no bool: write {name}=True")
        faults.raise_any()
        object.__setattr__(self, "trusted", texts)
        object.__setattr__(self, "hops", hops)
        object.__setattr__(self, "forwarded", forwarded)
        object.__setattr__(self, "host", host)
        read = self.scheme_headers if forwarded else (ADDRESS_LIST, *self.scheme_headers)
        object.__setattr__(self, "headers", read)
        object.__setattr__(self, "_peers", make_trusted(texts))
        object.__setattr__(self, "_known", Bounded(KEPT))

    def __repr__(self) -> str:
        given = [] if self.trusted == DEFAULT_TEXTS else [f"{list(self.trusted)!r}"]
        given += [] if self.hops is None else [f"hops={self.hops}"]
        given += ["forwarded=True"] if self.forwarded else []
        given += ["host=True"] if self.host else []
        return f"proxied({', '.join(given)})"

    def bind(self, place: Place) -> BoundProxied:
        """The policy as it serves requests."""
        return BoundProxied(self)

    @property
    def scheme_headers(self) -> tuple[istr, ...]:
        """The headers that scheme and host are read from."""
        if self.forwarded:
            return (FORWARDED,)
        return (SCHEME_LIST, *HOST_LISTS) if self.host else (SCHEME_LIST,)

    def trusts(self, peer: Node) -> bool:
        """Whether a peer's headers are believed."""
        return peer in self._peers

    def reported(self, request: web.BaseRequest) -> Reported:
        """What trusted proxies report of a request; nothing where the peer is not trusted."""
        headers = request.headers
        if not any(name in headers for name in self.headers) or not self._peers.includes(request):
            return NOTHING
        return self.report(headers, request.scheme)

    def report(self, headers: FieldLines, scheme: str) -> Reported:
        """What headers report, whoever sent them.

        A client sends many requests, for which a proxy writes the same: what was read is
        remembered by what was written.

        Args:
            headers: the request's.
            scheme: the request's own, by which a default port is left out where none is reported.
        """
        written = tuple([tuple(headers.getall(name, NO_LINES)) for name in self.headers])
        key = (written, scheme)
        known = self._known.get(key)
        if known is None:
            known = report(
                headers,
                self._peers,
                hops=self.hops,
                forwarded=self.forwarded,
                host=self.host,
                scheme=scheme,
            )
            if sum(len(line) for lines in written for line in lines) <= LONGEST_KEY:
                self._known.put(key, known)
        return known

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        """Address, scheme and host that the application would see."""
        return telling.rows(self, asked)

    def findings(self, stated: Stated) -> Iterator[Finding]:
        """Whether it believes everyone."""
        return telling.findings(self, stated)


DEFAULT_TEXTS = read_trusted(DEFAULT_TRUSTED, Faults("proxied"))
