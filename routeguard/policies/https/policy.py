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
from routeguard.configuration import Faults, shown
from routeguard.finding import Finding
from routeguard.internals.request import change_request
from routeguard.policies.https import telling
from routeguard.policies.https.forwarded import (
    Trusted,
    last_forwarded_proto,
    last_value,
    make_trusted,
    read_trusted,
)
from routeguard.policies.https.serving import BoundHttps
from routeguard.policy import Place, Policy
from routeguard.seconds import read_seconds

__all__ = ["DEFAULT_TRUSTED", "https"]

DEFAULT_TRUSTED = ("127.0.0.0/8", "::1", "unix")
DEFAULT_HEADERS = {"X-Forwarded-Proto": "https"}
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HSTS = re.compile(
    r'max-age=(\d+|"\d+")([ \t]*;[ \t]*(includeSubDomains|preload))*[ \t]*;?',
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class https(Policy):
    """Sets the scheme that a trusted proxy reports, and may demand HTTPS.

    Handlers, inner middlewares and error handlers see the scheme in `request.scheme`,
    `request.secure` and `request.url`. The request that aiohttp made changes in place and stays
    one object; only a request of somebody else's class is cloned.

    Args:
        match_headers: header name to the value that means HTTPS; any match does. Only these
            headers are read, values are compared without case, and of a header that several
            proxies appended to the last entry counts. `{"Forwarded": "https"}` means the `proto`
            of RFC 7239, section 5.4. Default: `{"X-Forwarded-Proto": "https"}`.
        trusted: the peers whose headers are believed: networks and addresses, `"unix"` for Unix
            sockets, `"*"` for everyone. Default: loopback and Unix sockets. The peer is the
            socket's; `request.remote` is not asked.
        redirect: answer plain HTTP with 308 to the same URL over HTTPS for GET and HEAD, with
            403 for other methods, whose body would be sent in clear twice, and with 400 where
            `Host` makes no URL (RFC 9110, section 15.4.9). Default: no.
        hsts: `Strict-Transport-Security` on every HTTPS response (RFC 6797, section 6.1): the
            max-age in seconds or as `timedelta`, or the header's text, such as
            `"max-age=31536000; includeSubDomains; preload"`. Default: none.

    Raises:
        ConfigError: a header name or value that is none, names or garbage among `trusted`, a
            `redirect` that is no bool, an `hsts` that is no such value.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {"RG401": "https believes everyone"}

    match_headers: tuple[tuple[str, str], ...]
    trusted: tuple[str, ...]
    redirect: bool
    hsts: str | None
    names: tuple[istr, ...] = field(compare=False)
    _peers: Trusted = field(compare=False)

    def __init__(
        self,
        match_headers: Mapping[str, str] | None = None,
        *,
        trusted: str | Collection[str] = DEFAULT_TRUSTED,
        redirect: bool = False,
        hsts: float | timedelta | str | None = None,
    ) -> None:
        faults = Faults("https(...)")
        headers = _read_headers(DEFAULT_HEADERS if match_headers is None else match_headers, faults)
        texts = read_trusted(trusted, faults)
        if not isinstance(redirect, bool):
            faults.add(f"redirect={shown(redirect)} is no bool: write redirect=True")
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
        given += ["redirect=True"] if self.redirect else []
        given += [] if self.hsts is None else [f"hsts={self.hsts!r}"]
        return f"https({', '.join(given)})"

    def bind(self, place: Place) -> BoundHttps:
        """The policy as it serves requests."""
        return BoundHttps(self)

    def is_secure(self, request: web.BaseRequest) -> bool:
        """Whether a trusted proxy says that the client came over HTTPS."""
        # Reading the peer costs more than finding no header.
        return self.matching_header(request) is not None and self._peers.includes(request)

    def matching_header(self, request: web.BaseRequest) -> str | None:
        """The name of a header that says HTTPS, whoever sent it; `None` where none does."""
        for name, expected in self.match_headers:
            lines = request.headers.getall(name, None)
            if lines:
                read = last_forwarded_proto if name == "Forwarded" else last_value
                found = read(lines)
                if found == expected:
                    return name
        return None

    def concerns(self, request: web.BaseRequest) -> bool:
        """Whether a request may have to be changed or refused; seldom, so it is asked first."""
        headers = request.headers
        for name in self.names:
            if name in headers:
                return True
        return self.redirect

    def rescheme(self, request: web.Request) -> web.Request:
        """The request with the scheme that the client used: itself, or a clone."""
        if request.secure or not self.is_secure(request):
            return request
        return change_request(request, scheme="https")

    def write_hsts(self, headers: "CIMultiDict[str]", *, secure: bool) -> None:
        """Writes `Strict-Transport-Security`, over HTTPS only (RFC 6797, section 7.2)."""
        if self.hsts is not None and secure:
            headers.setdefault("Strict-Transport-Security", self.hsts)

    def demand(self, request: web.BaseRequest) -> None:
        """Refuses a request over plain HTTP where HTTPS is demanded.

        Raises:
            web.HTTPException: 308, 403 or 400.
        """
        if request.method not in ("GET", "HEAD"):
            raise web.HTTPForbidden(text="this resource is served over HTTPS only")
        try:
            target = _over_https(request)
        except ValueError:
            raise web.HTTPBadRequest(text="Host makes no URL") from None
        raise web.HTTPPermanentRedirect(target)


DEFAULT_TRUSTED_TEXTS = read_trusted(DEFAULT_TRUSTED, Faults("https"))


def _over_https(request: web.BaseRequest) -> URL:
    hosts = request.headers.getall("Host", ())
    if len(hosts) != 1 or not re.fullmatch(r"[A-Za-z0-9._~\-\[\]:]+", hosts[0]):
        raise ValueError(hosts)
    origin = URL(f"http://{hosts[0]}")
    if not origin.host or origin.user or origin.raw_path != "/":
        raise ValueError(hosts[0])
    port = None if origin.port in (80, None) else origin.port
    secure = origin.with_scheme("https").with_port(port)
    path = request.rel_url
    # A path of its own that begins with // would be read as another host.
    return URL(f"{secure.origin()}{path.raw_path_qs}", encoded=True)


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
        if not isinstance(name, str) or not FIELD_NAME.fullmatch(name):
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
