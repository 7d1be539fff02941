"""`https`: the request's scheme behind a proxy that terminates TLS, and routes that demand it."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from aiohttp import web
from multidict import CIMultiDict, istr
from yarl import URL

from routeguard.asking import Asked, Stated
from routeguard.configuration import Faults, read_seconds, shown
from routeguard.finding import Finding
from routeguard.http import TOKEN
from routeguard.internals.request import change_request
from routeguard.network.addresses import Node
from routeguard.network.authorities import Authority, connection_scheme
from routeguard.network.peers import DEFAULT_TRUSTED, Trusted, make_trusted, read_trusted
from routeguard.policies.https import telling
from routeguard.policies.https.decision import over_https, reported_scheme
from routeguard.policies.https.serving import BoundHttps
from routeguard.policy import Place, Policy
from routeguard.running.proxies import asked_authority

__all__ = ["https"]

DEFAULT_HEADERS = {"X-Forwarded-Proto": "https"}
HSTS = re.compile(
    r'max-age=(\d+|"\d+")([ \t]*;[ \t]*(includeSubDomains|preload))*[ \t]*;?',
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class https(Policy):
    """Sets the scheme that a trusted proxy reports, and may demand HTTPS.

    Everybody sees the scheme, in `request.scheme`, `request.secure` and `request.url`. What a
    trusted proxy says holds both ways: a client that came to it over plain HTTP is one of plain
    HTTP, also if the proxy's own connection has TLS. On a route with `proxied` no header is read:
    the scheme is the one that `proxied` has set.

    With `redirect` or `hsts` every answer names in `Vary` the headers that scheme and host were
    read from, since a cache between proxy and application would keep a redirect for everybody.

    Args:
        match_headers: header name to the value that means HTTPS; any match does. Only these
            headers are read, values are compared without case, and of a header that several
            proxies appended to the last entry counts. Where `https` is meant, `wss` counts as
            well. `{"Forwarded": "https"}` means the `proto` of RFC 7239, section 5.4. Default:
            `{"X-Forwarded-Proto": "https"}`.
        trusted: the peers whose headers are believed: networks and addresses, `"unix"` for Unix
            sockets, `"*"` for everyone. Default: loopback and Unix sockets. The peer is the
            socket's; `request.remote` is not asked.
        redirect: answer plain HTTP with 308 to the same URL over HTTPS for GET and HEAD, with
            403 for other methods, whose body would be sent in clear twice, and with 400 where
            `Host` makes no URL (RFC 9110, section 15.4.9). A number is the port of HTTPS, where
            clients reach it at another than 443. Default: no.
        hsts: `Strict-Transport-Security` on every HTTPS response (RFC 6797, section 6.1): the
            max-age in seconds or as `timedelta`, or the header's text, such as
            `"max-age=31536000; includeSubDomains; preload"`. Default: none.

    Raises:
        ConfigError: a header name or value that is none, names or garbage among `trusted`, a
            `redirect` that is neither a bool nor a port, an `hsts` that is no such value.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {"RG401": "https believes everyone"}

    match_headers: tuple[tuple[str, str], ...]
    trusted: tuple[str, ...]
    redirect: bool | int
    hsts: str | None
    names: tuple[istr, ...] = field(compare=False)
    _peers: Trusted = field(compare=False)

    def __init__(
        self,
        match_headers: Mapping[str, str] | None = None,
        *,
        trusted: str | Collection[str] = DEFAULT_TRUSTED,
        redirect: bool | int = False,
        hsts: float | timedelta | str | None = None,
    ) -> None:
        faults = Faults("https(...)")
        headers = _read_headers(DEFAULT_HEADERS if match_headers is None else match_headers, faults)
        texts = read_trusted(trusted, faults)
        # 1 and 0 are equal to True and False, and no ports of HTTPS.
        if type(redirect) is not bool and (type(redirect) is not int or not 1 < redirect < 65536):
            faults.add(
                f"redirect={shown(redirect)} is neither a bool nor a port: write redirect=True, "
                f"or redirect=8443"
            )
        policy = _read_hsts(hsts, faults)
        faults.raise_any()
        object.__setattr__(self, "match_headers", headers)
        object.__setattr__(self, "trusted", texts)
        object.__setattr__(self, "redirect", redirect)
        object.__setattr__(self, "hsts", policy)
        object.__setattr__(self, "names", tuple(istr(name) for name, _ in headers))
        object.__setattr__(self, "_peers", make_trusted(texts))

    def explain(self, asked: Asked) -> Iterable[tuple[str, str]]:
        """The scheme that the application would see."""
        return telling.rows(self, asked)

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about it."""
        return telling.findings(self, stated)

    def __repr__(self) -> str:
        given = []
        if self.match_headers != tuple(DEFAULT_HEADERS.items()):
            given.append(repr(dict(self.match_headers)))
        if self.trusted != DEFAULT_TRUSTED_TEXTS:
            given.append(f"trusted={list(self.trusted)!r}")
        given += [f"redirect={self.redirect}"] if self.redirect else []
        given += [] if self.hsts is None else [f"hsts={self.hsts!r}"]
        return f"https({', '.join(given)})"

    def bind(self, place: Place) -> BoundHttps:
        """The policy as it serves requests."""
        return BoundHttps(self, place)

    def reported(self, request: web.BaseRequest) -> str | None:
        """The scheme that a trusted proxy reports; `None` where none does."""
        found = reported_scheme(request.headers, self.match_headers)
        # Reading the peer costs more than finding no header.
        return found if found is not None and self._peers.includes(request) else None

    def trusts(self, peer: Node) -> bool:
        """Whether a peer's headers are believed."""
        return peer in self._peers

    def rescheme(self, request: web.Request) -> web.Request:
        """The request with the scheme that the client used: itself, changed, or a clone."""
        headers = request.headers
        scheme = None
        for name in self.names:
            if name in headers:
                scheme = self.reported(request)
                break
        if scheme is None:
            scheme = connection_scheme(request)
        return request if scheme == request.scheme else change_request(request, scheme=scheme)

    def write_hsts(self, headers: "CIMultiDict[str]", *, secure: bool) -> None:
        """Writes `Strict-Transport-Security`, over HTTPS only (RFC 6797, section 7.2)."""
        if self.hsts is not None and secure:
            headers.setdefault("Strict-Transport-Security", self.hsts)

    def refusal(self, request: web.BaseRequest) -> web.HTTPException:
        """The answer to a request over plain HTTP where HTTPS is demanded: 308, 403 or 400."""
        if request.method not in ("GET", "HEAD"):
            return web.HTTPForbidden(text="this resource is served over HTTPS only")
        authority = asked_authority(request)
        if authority is None:
            return web.HTTPBadRequest(text="Host makes no URL")
        # Not joined: a path that begins with // would be read as another host.
        target = f"https://{self.target_of(authority)}{request.rel_url.raw_path_qs}"
        return web.HTTPPermanentRedirect(URL(target, encoded=True))

    def target_of(self, authority: Authority) -> Authority:
        """The host and port that a redirect leads to from one that was asked for."""
        return over_https(authority, None if self.redirect is True else self.redirect)


DEFAULT_TRUSTED_TEXTS = read_trusted(DEFAULT_TRUSTED, Faults("https"))


def _read_headers(headers: Mapping[str, str], faults: Faults) -> tuple[tuple[str, str], ...]:
    if callable(headers):
        faults.add("it was written without its parentheses: write @https() above the handler")
        return ()
    if not isinstance(headers, Mapping):
        faults.add(
            f"match_headers={shown(headers)} is no mapping: write {{'X-Forwarded-Proto': 'https'}}"
        )
        return ()
    if not headers:
        faults.add("match_headers is empty, so that nothing is read: leave it out")
    read = []
    for name, value in headers.items():
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            faults.add(f"match_headers: {shown(name)} is no header name")
        elif not isinstance(value, str) or not value.strip() or "," in value:
            faults.add(f"match_headers: {shown(value)} is no value of {name}: write 'https'")
        else:
            forwarded = name.lower() == "forwarded"
            read.append(("Forwarded" if forwarded else name, value.strip().lower()))
    return tuple(read)


def _read_hsts(hsts: float | timedelta | str | None, faults: Faults) -> str | None:
    if isinstance(hsts, str):
        if not HSTS.fullmatch(hsts.strip()):
            faults.add(
                f"hsts={shown(hsts)} is no such header: write 'max-age=31536000', with "
                f"'; includeSubDomains' and '; preload' as wanted"
            )
        return hsts.strip()
    seconds = read_seconds("hsts", hsts, faults, none="None to send none", zero=True)
    return None if seconds is None else f"max-age={int(seconds)}"
