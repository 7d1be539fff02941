"""`cors`: cross-origin access by the Fetch standard (section 3.2, HTTP-CORS protocol)."""

import asyncio
import inspect
import logging
import math
import re
from collections.abc import Awaitable, Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr
from yarl import URL

from routeguard.asking import Asked, Stated
from routeguard.configuration import Faults, read_seconds, shown
from routeguard.finding import Finding
from routeguard.http import vary_by
from routeguard.origins.findings import TRUST_CODES
from routeguard.origins.patterns import OriginSet, read_origin, serialised
from routeguard.policies.cors import telling
from routeguard.policies.cors.fields import (
    ALLOW_CREDENTIALS,
    ALLOW_ORIGIN,
    DEFAULT_ALLOW_HEADERS,
    EXPOSE_HEADERS,
    ORIGIN,
    read_expose_headers,
    read_headers,
    read_methods,
    remove_cors_headers,
)
from routeguard.policies.cors.serving import AnswersPreflights, BoundCors
from routeguard.policy import Place, Policy
from routeguard.running.application import Running

__all__ = ["Predicate", "cors"]

Predicate = (
    Callable[[str], bool | Awaitable[bool]] | Callable[[str, web.Request], bool | Awaitable[bool]]
)
Origin = str | re.Pattern[str] | URL

logger: logging.Logger = logging.getLogger("routeguard.cors")


SHOWN = 3
"""How many origins `repr` shows."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class cors(Policy):
    """Lets pages of other origins read this route's responses (Fetch, HTTP-CORS protocol).

    The headers are on whatever the route answers, errors included; a refused origin gets none. A
    preflight is answered by the policy of the route that the real request would reach: 204, or
    403 with the reason on the logger `routeguard.cors`.

    Args:
        origins: who may. One or several of: an exact origin (`"https://app.example.com"`);
            every subdomain, of one or more labels but not the apex (`"https://*.example.com"`);
            any port or none (`"http://localhost:*"`); both; a compiled regex, which must match
            the whole origin; a `yarl.URL` without path; `"*"` for everyone; `"null"`. Or one
            predicate, `(origin)` or `(origin, request)`, sync or async: where it raises, the
            origin is refused and the error logged.
        allow_methods: the methods that pages may use beside GET, HEAD and POST, which always
            pass (Fetch, CORS-safelisted method). Default: those that the path routes. `"*"` for
            all.
        allow_headers: the request headers that pages may set. `"*"` for all but `Authorization`,
            which is to be listed beside it; with credentials the requested names are reflected.
            Default: accept, accept-encoding, authorization, content-type, dnt, origin,
            user-agent, x-csrftoken and x-requested-with; what is given replaces these.
        expose_headers: the response headers that pages may read beside the safelisted ones, or
            `"*"`. Default: none.
        allow_credentials: whether requests may carry cookies and other credentials. Default: no.
        max_age: for how long browsers may keep a preflight's answer: seconds (int or float) or
            `timedelta`; their own default, about 5 seconds, where it is not given.

    Raises:
        ConfigError: an invalid value, with all faults at once: an origin with a path,
            trailing slash, default port or non-ASCII host; no origin at all; credentials
            together with `"*"` or `"null"`; names that are no header or method.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {
        **TRUST_CODES,
        "RG203": "an origin regex that matches more than it looks",
        "RG205": "a request header that no page can set",
        "RG206": "a max_age that browsers cut short",
    }

    origins: tuple[Origin, ...] | Predicate
    allow_methods: frozenset[str] | None
    allow_headers: frozenset[str]
    expose_headers: tuple[str, ...]
    allow_credentials: bool
    max_age: int | None
    everyone: bool = field(compare=False)
    _admitted: Container[str] = field(compare=False)
    _regexes: tuple[re.Pattern[str], ...] = field(compare=False)
    _common: tuple[tuple[istr, str], ...] = field(compare=False)
    _arity: int = field(compare=False)

    def __init__(
        self,
        origins: Origin | Collection[Origin] | Predicate,
        *,
        allow_methods: str | Collection[str] | None = None,
        allow_headers: str | Collection[str] = DEFAULT_ALLOW_HEADERS,
        expose_headers: str | Collection[str] = (),
        allow_credentials: bool = False,
        max_age: float | timedelta | None = None,
    ) -> None:
        faults = Faults("cors(...)")
        given, texts, arity = _read_origins(origins, faults)
        if not isinstance(allow_credentials, bool):
            faults.add(f"allow_credentials={shown(allow_credentials)} is no bool: write True")
        elif allow_credentials:
            for wild in sorted({"*", "null"} & set(texts)):
                faults.add(
                    f"allow_credentials=True with the origin {wild!r} would hand every user's "
                    f"data to anyone: list the origins that are meant, or, where no cookies "
                    f"are meant, write cors('*', allow_headers=['*', 'authorization'])"
                )
        methods = read_methods(allow_methods, faults)
        headers = read_headers(allow_headers, faults)
        exposed = read_expose_headers(expose_headers, faults, credentials=bool(allow_credentials))
        age = read_seconds("max_age", max_age, faults, none="None for the browser's", zero=True)
        faults.raise_any()
        common = [(ALLOW_CREDENTIALS, "true")] if allow_credentials else []
        common += [(EXPOSE_HEADERS, ", ".join(exposed))] if exposed else []
        put = object.__setattr__
        put(self, "origins", given)
        put(self, "allow_methods", methods)
        put(self, "allow_headers", headers)
        put(self, "expose_headers", exposed)
        put(self, "allow_credentials", allow_credentials)
        put(self, "max_age", None if age is None else math.ceil(age))
        put(self, "everyone", "*" in texts)
        put(self, "_common", tuple(common))
        listed = [text for text in texts if text != "*"]
        has_patterns = any("*" in text for text in listed)
        put(self, "_admitted", OriginSet(listed) if has_patterns else frozenset(listed))
        put(self, "_regexes", _regexes(given))
        put(self, "_arity", arity)

    def explain(self, asked: Asked) -> Iterable[tuple[str, str]]:
        """Whether the origin is allowed, and how a preflight for the method is answered."""
        return telling.rows(self, asked)

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about it."""
        return telling.findings(self, stated)

    def __repr__(self) -> str:
        return self._written(SHOWN)

    def __format__(self, spec: str) -> str:
        return self._written(None) if spec == "full" else Policy.__format__(self, spec)

    def _written(self, most: int | None) -> str:
        """The call that makes it, with at most so many of its origins."""
        if isinstance(self.origins, tuple):
            shown_origins = [_origin_repr(one) for one in self.origins[:most]]
            more = len(self.origins) - len(shown_origins)
            shown_origins += [f"… {more} more"] if more > 0 else []
            given = [shown_origins[0] if self.everyone else f"[{', '.join(shown_origins)}]"]
        else:
            given = [getattr(self.origins, "__name__", repr(self.origins))]
        if self.allow_methods is not None:
            given.append(f"allow_methods={sorted(self.allow_methods)!r}")
        if self.allow_headers != DEFAULT_ALLOW_HEADERS:
            given.append(f"allow_headers={sorted(self.allow_headers)!r}")
        if self.expose_headers:
            given.append(f"expose_headers={list(self.expose_headers)!r}")
        given += ["allow_credentials=True"] if self.allow_credentials else []
        given += [] if self.max_age is None else [f"max_age={self.max_age}"]
        return f"cors({', '.join(given)})"

    @property
    def asks_nobody(self) -> bool:
        """Whether the answer for an origin never changes, since there is no predicate to ask."""
        return isinstance(self.origins, tuple)

    @property
    def plain_origins(self) -> Container[str]:
        """Those listed, where only `Vary` and the origin are to be written; else none.

        An origin that is not among them may be admitted all the same: by its case, by a regex or
        predicate, or with everyone.
        """
        return frozenset() if self._common or self.everyone else self._admitted

    def bind(self, place: Place) -> BoundCors:
        """The policy with the place where it is stated."""
        return BoundCors(self, place)

    @classmethod
    def on_every_route(cls, running: Running, method: str) -> AnswersPreflights | None:
        """A preflight asks about another method, so every route's are answered."""
        return running.service(AnswersPreflights) if method == hdrs.METH_OPTIONS else None

    def write_known(self, request: web.BaseRequest, headers: "CIMultiDict[str]") -> bool:
        """Writes the headers for a listed origin, or for none; `False` for any other."""
        origin: str | None = "*"
        if not self.everyone:
            lines: Sequence[str] = request.headers.getall(ORIGIN, ())
            # Two lines are no origin at all, whatever either of them says.
            origin = lines[0] if len(lines) == 1 and lines[0] in self._admitted else None
            if lines and origin is None:
                return False
        self._write(headers, origin)
        return True

    async def write(self, request: web.BaseRequest, headers: "CIMultiDict[str]") -> bool:
        """Writes the CORS headers of a response, in place of any that are there.

        Args:
            request: the request.
            headers: the response's.

        Returns:
            Whether the origin is allowed; without an `Origin` none is.
        """
        origin = await self.allowed_origin(request)
        self._write(headers, origin)
        return origin is not None

    def _write(self, headers: "CIMultiDict[str]", origin: str | None) -> None:
        remove_cors_headers(headers)
        if not self.everyone:
            vary_by(headers, "Origin")
        if origin is not None:
            headers[ALLOW_ORIGIN] = origin
            headers.extend(self._common)

    async def allowed_origin(self, request: web.BaseRequest) -> str | None:
        """The origin to name in the answer, `"*"`, or `None` where the request's is refused."""
        if self.everyone:
            return "*"
        lines = request.headers.getall(ORIGIN, ())
        if len(lines) != 1:
            return None
        return await self._examine(lines[0], request)

    async def _examine(self, line: str, request: web.BaseRequest) -> str | None:
        origin = serialised(line)
        if origin is None or (origin == "null" and self.allow_credentials):
            return None
        if not isinstance(self.origins, tuple):
            return origin if await self._ask(self.origins, origin, request) else None
        if origin in self._admitted:
            return origin
        return origin if any(regex.fullmatch(origin) for regex in self._regexes) else None

    async def _ask(self, predicate: Predicate, origin: str, request: web.BaseRequest) -> bool:
        try:
            arguments = (origin, request)[: self._arity]
            answer = predicate(*arguments)  # type: ignore[arg-type]
            return bool(await answer if inspect.isawaitable(answer) else answer)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            name = getattr(predicate, "__name__", repr(predicate))
            logger.exception("origin %r refused: the predicate %s failed", origin, name)
            return False


def _is_cancelled() -> bool:
    """Whether this task is to end, rather than what a predicate waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _read_origins(
    origins: Origin | Collection[Origin] | Predicate, faults: Faults
) -> tuple[tuple[Origin, ...] | Predicate, list[str], int]:
    if callable(origins) and not isinstance(origins, type | re.Pattern):
        return origins, [], _predicate_arity(origins, faults)
    if isinstance(origins, bytes | bytearray):
        faults.add(f"origins: {shown(origins)} is of bytes: leave out the b before it")
        return (), [], 0
    single = isinstance(origins, str | re.Pattern | URL) or not isinstance(origins, Collection)
    several = (origins,) if single else tuple(origins)  # type: ignore[arg-type]
    if not several:
        faults.add("origins is empty, which admits nobody: list origins, or leave cors out")
    given: list[Origin] = []
    texts: list[str] = []
    for one in several:
        if isinstance(one, re.Pattern):
            if isinstance(one.pattern, bytes):
                faults.add(f"origins: {shown(one)} is of bytes: leave out the b before it")
            given.append(one)
        elif isinstance(one, str | URL):
            text, found = (one, []) if one in ("*", "null") else read_origin(one)
            for fault in found:
                faults.add(f"origins: {fault}")
            texts.append(str(text))
            given.append(str(text))
        elif callable(one):
            faults.add("origins: a predicate stands alone: write cors(origins=is_tenant)")
        else:
            faults.add(f"origins: {shown(one)} is no origin: write 'https://example.com'")
    if "*" in texts:
        given = ["*"]  # which says it all
    return tuple(dict.fromkeys(given)), texts, 0


def _predicate_arity(predicate: Callable[..., object], faults: Faults) -> int:
    try:
        signature = inspect.signature(predicate)
    except (TypeError, ValueError):
        return 1
    for count in (1, 2):
        try:
            signature.bind(*(None,) * count)
        except TypeError:
            continue
        return count
    faults.add(f"origins: the predicate takes neither (origin) nor (origin, request): {signature}")
    return 1


def _regexes(origins: tuple[Origin, ...] | Predicate) -> tuple[re.Pattern[str], ...]:
    if not isinstance(origins, tuple):
        return ()
    return tuple(one for one in origins if isinstance(one, re.Pattern))


def _origin_repr(origin: Origin) -> str:
    return repr(origin)
