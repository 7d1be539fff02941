"""Preflights: which request they ask about, and the answer (Fetch, section 3.2.2 and 4.8)."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from routeguard.http import REQUEST_METHOD, TOKEN, VARY
from routeguard.origins.patterns import is_of_host
from routeguard.policies.cors.fields import ALLOW_CREDENTIALS, ALLOW_ORIGIN, ORIGIN
from routeguard.quoting import quoted

if TYPE_CHECKING:
    from routeguard.policies.cors.policy import cors

__all__ = [
    "REQUEST_HEADERS",
    "REQUEST_METHOD",
    "Refusal",
    "grant",
    "is_preflight",
    "judge",
    "log_refused_origin",
    "refuse",
]

REQUEST_HEADERS = istr("Access-Control-Request-Headers")
ALLOW_METHODS = istr("Access-Control-Allow-Methods")
ALLOW_HEADERS = istr("Access-Control-Allow-Headers")
MAX_AGE = istr("Access-Control-Max-Age")

SAFELISTED_METHODS = frozenset({"GET", "HEAD", "POST"})
VARY_PREFLIGHT = "Access-Control-Request-Method, Access-Control-Request-Headers"

logger: logging.Logger = logging.getLogger("routeguard.cors")


def is_preflight(request: web.BaseRequest) -> bool:
    """Whether an OPTIONS request asks on behalf of another (Fetch, CORS-preflight request)."""
    return ORIGIN in request.headers and REQUEST_METHOD in request.headers


class Refusal(Exception):
    """Why a cross-origin request is refused."""


class NotAllowedError(Refusal):
    """A method or header that a page of this origin may not use."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.granted: CIMultiDict[str] = CIMultiDict()
        """The headers that grant what is allowed."""


async def judge(
    policy: "cors", request: web.BaseRequest, method: str, *, routed: bool
) -> "CIMultiDict[str]":
    """The headers that grant what a preflight asks for.

    Args:
        policy: that of the route which the real request would reach.
        request: the preflight.
        method: the method it asks about.
        routed: whether the path routes that method, or nothing at all.

    Raises:
        Refusal: the origin, the method or a header is not allowed, and which.
    """
    origin = await policy.allowed_origin(request)
    if origin is None:
        raise Refusal("the origin is not allowed")
    granted = CIMultiDict[str]()
    granted[ALLOW_ORIGIN] = origin
    if policy.allow_credentials:
        granted[ALLOW_CREDENTIALS] = "true"
    try:
        _check_method(policy, request, method, routed)
        # Only what was asked for: other methods of the path may have other policies.
        granted[ALLOW_METHODS] = method
        if names := _check_headers(policy, request):
            granted[ALLOW_HEADERS] = names
    except NotAllowedError as refusal:
        refusal.granted = granted
        raise
    if policy.max_age is not None:
        granted[MAX_AGE] = str(policy.max_age)
    return granted


def _check_method(policy: "cors", request: web.BaseRequest, method: str, routed: bool) -> None:
    # "*" is a token, and in the answer would grant every method.
    one = len(request.headers.getall(REQUEST_METHOD)) == 1 and method != "*"
    if not one or not TOKEN.fullmatch(method):
        raise Refusal("Access-Control-Request-Method is no method")
    if method in SAFELISTED_METHODS:
        return
    listed = policy.allow_methods
    if listed is not None and "*" in listed:
        return
    if listed is not None and method not in listed:
        raise NotAllowedError(f"the method {method} is not in allow_methods")
    if not routed:
        raise NotAllowedError(f"the path has no method {method}")


def _check_headers(policy: "cors", request: web.BaseRequest) -> str:
    names = _asked_headers(request)
    allowed = policy.allow_headers
    if names is None:
        return ""
    if "*" in allowed:
        if policy.allow_credentials:
            return ", ".join(names)
        # The wildcard does not cover Authorization (Fetch, CORS non-wildcard request-header name).
        if "authorization" in names:
            if "authorization" not in allowed:
                raise NotAllowedError(
                    "the header authorization is not in allow_headers, beside '*'"
                )
            return "*, authorization"
        return "*"
    for name in names:
        if name not in allowed:
            raise NotAllowedError(f"the header {name} is not in allow_headers")
    return ", ".join(names)


def _asked_headers(request: web.BaseRequest) -> dict[str, None] | None:
    """The names that a preflight asks for, in lower case; `None` without the header."""
    lines = request.headers.getall(REQUEST_HEADERS, None)
    if lines is None:
        return None
    names: dict[str, None] = {}
    for line in lines:
        for part in line.split(","):
            name = part.strip(" \t")
            if name:
                # Before lower-casing, which makes ASCII letters of some others.
                if not TOKEN.fullmatch(name):
                    raise Refusal(f"the header {name!r} is no header name")
                names[name.lower()] = None
    return names


async def grant(
    policy: "cors", request: web.BaseRequest, method: str, *, routed: bool
) -> "CIMultiDict[str]":
    """All headers of the 204 that grants what a preflight asks for.

    Args:
        policy: as for `judge`.
        request: as for `judge`.
        method: as for `judge`.
        routed: as for `judge`.

    Raises:
        Refusal: as for `judge`.
    """
    headers = await judge(policy, request, method, routed=routed)
    headers[VARY] = _vary(policy)
    return headers


def refuse(
    policy: "cors", request: web.Request, method: str, source: str, refusal: Refusal
) -> web.Response:
    """The answer to what is not granted: 403 with no CORS header at all.

    In the event loop's debug mode, a method or header that is refused to an allowed origin is
    answered with what is allowed instead. The preflight fails all the same, and the browser's
    console names what it asked for in vain; of a 403 it says nothing more.

    Args:
        policy: as for `judge`.
        request: as for `judge`.
        method: as for `judge`.
        source: where the policy is stated, for the log.
        refusal: why it is refused.
    """
    log_refusal(request, method, source, str(refusal))
    debugging = asyncio.get_running_loop().get_debug()
    if debugging and isinstance(refusal, NotAllowedError):
        headers = _what_is_allowed(policy, request, method, refusal.granted)
        headers[VARY] = _vary(policy)
        return web.Response(status=204, headers=headers)
    text = f"CORS preflight refused: {refusal} (policy: {source})\n" if debugging else None
    return web.Response(status=403, headers={VARY: _vary(policy)}, text=text)


def _what_is_allowed(
    policy: "cors", request: web.Request, method: str, granted: "CIMultiDict[str]"
) -> "CIMultiDict[str]":
    """Adds what else is allowed to what is granted, and never what was asked for in vain."""
    if ALLOW_METHODS not in granted:
        answer = request.match_info.http_exception
        routed = (
            set(answer.allowed_methods) if isinstance(answer, web.HTTPMethodNotAllowed) else None
        )
        listed = policy.allow_methods
        if listed is None or "*" in listed:
            methods = routed or set()
        else:
            methods = set(listed if routed is None else listed & routed)
        methods |= SAFELISTED_METHODS
        granted[ALLOW_METHODS] = ", ".join(sorted(methods - {method, hdrs.METH_OPTIONS}))
    names = set(policy.allow_headers)
    if "*" in names:
        with suppress(Refusal):
            asked = set(_asked_headers(request) or ())
            names |= asked if policy.allow_credentials else asked - {"authorization"}
    # The wildcard itself might grant a browser what it was refused.
    if names := names - {"*"}:
        granted[ALLOW_HEADERS] = ", ".join(sorted(names))
    return granted


def _vary(policy: "cors") -> str:
    return VARY_PREFLIGHT if policy.everyone else f"Origin, {VARY_PREFLIGHT}"


def log_refusal(request: web.BaseRequest, method: str, source: str, reason: str) -> None:
    """One line for a cross-origin request that is refused."""
    logger.info(
        "refused '%s': %s %s, by the policy of %s: %s",
        quoted(", ".join(request.headers.getall(ORIGIN, ()))),
        quoted(method),
        quoted(request.path),
        source,
        quoted(reason),
    )


def log_refused_origin(request: web.BaseRequest, source: str) -> bool:
    """Logs a cross-origin request whose origin is refused; a page's own origin is not one.

    Args:
        request: the request.
        source: where the policy is stated.

    Returns:
        Whether it is such a request.
    """
    lines = request.headers.getall(ORIGIN, ())
    own = len(lines) == 1 and is_of_host(lines[0], request.host)
    if not lines or (own and lines[0].lower().startswith(f"{request.scheme}:")):
        return False
    log_refusal(request, request.method, source, "the origin is not allowed")
    return True
