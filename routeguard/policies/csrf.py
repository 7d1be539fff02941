"""`csrf`: cross-origin requests that would change something are refused, without tokens."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from aiohttp import web
from yarl import URL

from routeguard.asking import Asked, Stated
from routeguard.configuration import ConfigError, Faults, listed, shown
from routeguard.finding import Finding
from routeguard.origin_findings import TRUST_CODES, plain_http, public_suffixes
from routeguard.origins import (
    DEFAULT_PORTS,
    OriginSet,
    read_origin,
    serialised,
    split_origin,
)
from routeguard.policy import Handler, Policy
from routeguard.running.proxies import asked_authority
from routeguard.websocket import is_websocket_handshake

__all__ = ["csrf"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
SAME_SITE = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True, init=False, repr=False)
class csrf(Policy):
    """Refuses cross-origin state-changing requests and WebSocket hijacking.

    It goes by what browsers tell of a request (W3C, Fetch Metadata Request Headers). Safe methods
    (RFC 9110, section 9.2.1) pass; a WebSocket handshake is not one of them, since browsers apply
    no CORS to it. Otherwise an `Origin` in `trusted_origins` passes; then `Sec-Fetch-Site`
    decides: `same-origin` and `none` pass, anything else is refused. With neither header the
    request is no browser's and passes. With `Origin` alone it must equal the request's own host.
    What is refused gets 403 through the error handler.

    An origin that `cors` allows is not thereby trusted here.

    Args:
        trusted_origins: origins whose requests pass: exact, or patterns as `cors` takes them
            (`"https://*.example.com"`), or `yarl.URL` values; not `"*"`, not `"null"`.
            Default: none.

    Raises:
        ConfigError: something that is no such origin.
    """

    finding_codes: ClassVar[Mapping[str, str]] = TRUST_CODES

    trusted_origins: tuple[str, ...]
    _trusted: OriginSet = field(compare=False)

    def __new__(cls, *misplaced: object, **options: object) -> Self:
        """Refuses to be written without parentheses, as a decorator that takes a handler."""
        if misplaced:
            raise ConfigError(f"csrf({shown(misplaced[0])}): write @csrf() above the handler")
        return object.__new__(cls)

    def __init__(self, *, trusted_origins: str | URL | Collection[str | URL] = ()) -> None:
        faults = Faults("csrf(...)")
        example = "trusted_origins=['https://app.example.com']"
        given = (
            [trusted_origins]
            if isinstance(trusted_origins, URL)
            else listed("trusted_origins", trusted_origins, example, faults)
        )
        texts: list[str] = []
        for one in given:
            if one in ("*", "null"):
                faults.add(f"trusted_origins: {one!r} would let everyone in: list the origins")
            elif isinstance(one, str | URL):
                text, found = read_origin(one)
                for fault in found:
                    faults.add(f"trusted_origins: {fault}")
                texts.append(text)
            else:
                faults.add(f"trusted_origins: {shown(one)} is no origin: write 'https://a.example'")
        faults.raise_any()
        object.__setattr__(self, "trusted_origins", tuple(dict.fromkeys(texts)))
        object.__setattr__(self, "_trusted", OriginSet(texts))

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        """Whether it refuses the request, and why."""
        if (reason := self.refusal(asked.request)) is not None:
            yield "note", f"csrf refuses it with 403: {reason}"
            if asked.told.get("origin") == "allowed":
                remedy = "list it in csrf(trusted_origins=…) if its pages are to change anything"
                yield "note", f"cors allows this origin and csrf does not: {remedy}"

    def findings(self, stated: Stated) -> Iterator[Finding]:
        """Origins that are trusted with more than they deserve."""
        yield from plain_http("csrf", self.trusted_origins, stated.place)
        yield from public_suffixes("csrf", self.trusted_origins, stated.place)

    def __repr__(self) -> str:
        if not self.trusted_origins:
            return "csrf()"
        return f"csrf(trusted_origins={list(self.trusted_origins)!r})"

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request through to the handler, or raises 403."""
        if (reason := self.refusal(request)) is not None:
            raise web.HTTPForbidden(text=f"cross-origin request refused: {reason}")
        return await handler(request)

    def trusts(self, origin: str) -> bool:
        """Whether an origin, as a header gives it, is listed in `trusted_origins`."""
        canonical = serialised(origin)
        return canonical is not None and canonical in self._trusted

    def refusal(self, request: web.BaseRequest) -> str | None:
        """Why a request is refused; `None` where it passes."""
        if request.method in SAFE_METHODS and not is_websocket_handshake(request):
            return None
        origins = request.headers.getall("Origin", ())
        if len(origins) == 1 and self.trusted_origins and self.trusts(origins[0]):
            return None
        sites = request.headers.getall("Sec-Fetch-Site", ())
        if sites:
            if all(site.strip() in SAME_SITE for site in sites):
                return None
            return f"Sec-Fetch-Site is {', '.join(sites)[:100]!a}"
        if not origins:
            return None
        if len(origins) == 1 and _is_own_host(origins[0], request):
            return None
        return f"Origin {', '.join(origins)[:300]!a} is not this host"


def _is_own_host(origin: str, request: web.BaseRequest) -> bool:
    canonical = serialised(origin)
    parts = None if canonical is None else split_origin(canonical)
    asked = asked_authority(request)
    if parts is None or asked is None:
        return False
    scheme, host, port = parts
    own = str(asked)
    default = DEFAULT_PORTS.get(scheme)
    written_out = host if default is None else f"{host}:{default}"
    return own == f"{host}:{port}" if port else own in (host, written_out)
