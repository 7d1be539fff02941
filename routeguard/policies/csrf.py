"""`csrf`: cross-origin requests that would change something are refused, without tokens."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from aiohttp import web
from yarl import URL

from routeguard.asking import Asked, Stated
from routeguard.configuration import ConfigError, Faults, listed, shown
from routeguard.finding import Finding
from routeguard.http import is_websocket_handshake
from routeguard.origins.findings import TRUST_CODES, plain_http, public_suffixes
from routeguard.origins.patterns import OriginSet, is_of_host, read_origin, serialised
from routeguard.paths import IDEMPOTENT_METHODS
from routeguard.policy import Bound, Place, Policy
from routeguard.quoting import quoted
from routeguard.running.events import Action
from routeguard.running.proxies import asked_authority
from routeguard.running.state import Run, State

__all__ = ["CrossOriginRefused", "csrf"]

logger: logging.Logger = logging.getLogger("routeguard.csrf")

SAFE_METHODS = frozenset(IDEMPOTENT_METHODS)
SAME_SITE = frozenset({"same-origin", "none"})


class CrossOriginRefused(web.HTTPForbidden):
    """A cross-origin request that `csrf` refuses: 403, with the reason as its text."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class csrf(Policy):
    """Refuses cross-origin state-changing requests and WebSocket hijacking.

    It goes by what browsers tell of a request (W3C, Fetch Metadata Request Headers). Safe methods
    (RFC 9110, section 9.2.1) pass; a WebSocket handshake is not one of them, since browsers apply
    no CORS to it. Otherwise an `Origin` in `trusted_origins` passes; then `Sec-Fetch-Site`
    decides: `same-origin` and `none` pass, anything else is refused. With neither header the
    request is no browser's and passes. With `Origin` alone it must be of the request's own host
    and port; a default port may be written out on either side, and HTTP and HTTPS are not told
    apart, since a proxy may end TLS. No other scheme is a browser's own.

    What is refused raises `CrossOriginRefused`, which is answered with 403 through the error
    handler, and logs one line at INFO on `routeguard.csrf`.

    An origin that `cors` allows is not thereby trusted here.

    Args:
        trusted_origins: origins whose requests pass: exact, or patterns as `cors` takes them
            (`"https://*.example.com"`), or `yarl.URL` values; not `"*"`, not `"null"`.
            Default: none.
        report_only: log what would be refused, and let it pass. Default: no.

    Raises:
        ConfigError: something that is no such origin; `report_only` that is no bool.
    """

    finding_codes: ClassVar[Mapping[str, str]] = TRUST_CODES

    trusted_origins: tuple[str, ...]
    report_only: bool
    _trusted: OriginSet = field(compare=False)

    def __new__(cls, *misplaced: object, **options: object) -> Self:
        """Refuses to be written without parentheses, as a decorator that takes a handler."""
        if misplaced:
            if callable(misplaced[0]):
                name = getattr(misplaced[0], "__name__", None) or shown(misplaced[0])
                raise ConfigError(f"@csrf without parentheses above {name}: write @csrf()")
            given = ", ".join(map(shown, misplaced))
            raise ConfigError(f"csrf({given}): write csrf(trusted_origins=...)")
        return object.__new__(cls)

    def __init__(
        self,
        *,
        trusted_origins: str | URL | Collection[str | URL] = (),
        report_only: bool = False,
    ) -> None:
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
        if not isinstance(report_only, bool):
            faults.add(f"report_only={shown(report_only)} is no bool: write report_only=True")
        faults.raise_any()
        object.__setattr__(self, "trusted_origins", tuple(dict.fromkeys(texts)))
        object.__setattr__(self, "report_only", report_only)
        object.__setattr__(self, "_trusted", OriginSet(texts))

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        """Whether it refuses the request, and why."""
        if (reason := self.refusal(asked.request)) is not None:
            refuses = "would refuse it (report_only)" if self.report_only else "refuses it with 403"
            yield "note", f"csrf {refuses}: {reason}"
            if asked.told.get("origin") == "allowed":
                remedy = "list it in csrf(trusted_origins=…) if its pages are to change anything"
                yield "note", f"cors allows this origin and csrf does not: {remedy}"

    def findings(self, stated: Stated) -> Iterator[Finding]:
        """Origins that are trusted with more than they deserve."""
        yield from plain_http("csrf", self.trusted_origins, stated.place)
        yield from public_suffixes("csrf", self.trusted_origins, stated.place)

    def __repr__(self) -> str:
        origins = list(self.trusted_origins)
        given = [f"trusted_origins={origins!r}"] if origins else []
        given += ["report_only=True"] if self.report_only else []
        return f"csrf({', '.join(given)})"

    def bind(self, place: Place) -> "BoundCsrf":
        """The policy as it serves requests."""
        return BoundCsrf(self, place)

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


class BoundCsrf(Bound):
    """One `csrf` in one run of the application."""

    __slots__ = ("_place", "policy")

    def __init__(self, policy: csrf, place: Place) -> None:
        self.policy: csrf = policy
        self._place = place

    def link(self, inner: Run) -> Run:
        """The chain's link: a request that is refused comes no further."""
        refusal, refuse = self.policy.refusal, self._refuse

        async def run(request: web.Request, state: State) -> web.StreamResponse:
            if (reason := refusal(request)) is not None:
                refuse(request, reason)
            return await inner(request, state)

        return run

    def _refuse(self, request: web.Request, reason: str) -> None:
        """Refuses a request, or only says that it would have been.

        Raises:
            CrossOriginRefused: it is refused.
        """
        report_only = self.policy.report_only
        logger.info(
            "%s '%s': %s %s, by the policy of %s: %s",
            "would refuse" if report_only else "refused",
            quoted(", ".join(request.headers.getall("Origin", ()))),
            quoted(request.method),
            quoted(request.path),
            self._place,
            quoted(reason),
        )
        refusal = CrossOriginRefused(text=f"cross-origin request refused: {reason}")
        action: Action = "would refuse" if report_only else "refused"
        self._place.tell(request, "csrf", action, status=refusal.status, error=refusal)
        if not report_only:
            try:
                raise refusal
            finally:
                del refusal  # or refusal, traceback and this frame were a cycle


def _is_own_host(origin: str, request: web.BaseRequest) -> bool:
    asked = asked_authority(request)
    return asked is not None and is_of_host(origin, str(asked))
