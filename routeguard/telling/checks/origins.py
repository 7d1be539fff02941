"""Origins that are trusted with more than they deserve, and where cors and csrf disagree."""

import re
from collections.abc import Iterator

from routeguard.policies.cors.policy import cors
from routeguard.policies.csrf import csrf
from routeguard.policy import Policy
from routeguard.routes.resolution import Decision
from routeguard.routes.scope import Statement
from routeguard.routes.walk import Visit, Walk
from routeguard.telling.checks.regexes import admitted, loose_parts, stranger
from routeguard.telling.checks.stated import Stated, few, route_place, stated
from routeguard.telling.checks.suffixes import (
    is_loopback,
    is_public_suffix,
    registrable,
    split_pattern,
)
from routeguard.telling.finding import Finding, Severity

__all__ = [
    "cors_against_csrf",
    "loose_regexes",
    "plain_http_origins",
    "public_suffix_wildcards",
]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def plain_http_origins(walk: Walk) -> Iterator[Finding]:
    """RG201: what everybody on the way can read or forge, given the user's credentials."""
    for one in stated(walk):
        origins = [*_trusted(one.policy)]
        for regex in _regexes(one.policy):
            if _has_credentials(one.policy):
                origins += [text for text in admitted(regex) if text.startswith("http://")][:1]
        plain = [text for text in origins if _is_plain_http(text)]
        if plain:
            yield Finding(
                "RG201",
                "error",
                one.place,
                f"{_what(one)} trusts {few(plain)}: over plain HTTP anyone on the way can put "
                f"a page there that acts for the user",
                "write https://, or leave the origin out",
            )


def _is_plain_http(origin: str) -> bool:
    scheme, host = split_pattern(origin)
    return scheme == "http" and not is_loopback(host)


def public_suffix_wildcards(walk: Walk) -> Iterator[Finding]:
    """RG202: a wildcard for subdomains that anyone may register."""
    for one in stated(walk):
        hosts = [(text, split_pattern(text)[1]) for text in _trusted(one.policy)]
        public = [text for text, host in hosts if host[:2] == "*." and is_public_suffix(host[2:])]
        if public:
            yield Finding(
                "RG202",
                "error",
                one.place,
                f"{_what(one)} trusts {few(public)}: anyone may register a name there",
                "list the hosts that are yours",
            )


def loose_regexes(walk: Walk) -> Iterator[Finding]:
    """RG203: unescaped dots, and `.*` where a label is meant."""
    for one in stated(walk):
        for regex in _regexes(one.policy):
            found = _looseness(regex)
            if found is None:
                continue
            message, is_proven = found
            severity: Severity = "error" if is_proven else "warning"
            if not _has_credentials(one.policy):
                if not is_proven:
                    continue
                severity = "info"
            yield Finding(
                "RG203",
                severity,
                one.place,
                f"re.compile({regex.pattern!r}) {message}",
                r"escape dots (`\.`), or write a pattern: 'https://*.example.com' admits "
                r"subdomains and nothing else",
            )


def _looseness(regex: re.Pattern[str]) -> tuple[str, bool] | None:
    """What is wrong with a regex, and whether an origin proves it."""
    loose = loose_parts(regex)
    if (proof := stranger(regex)) is not None:
        ordinary, other = proof
        is_named = registrable(split_pattern(ordinary)[1]) is not None
        such_as = f"is for origins such as {ordinary}, and also admits" if is_named else "admits"
        return f"{such_as} {other}", bool(loose) or "evil" in other
    if not loose or regex.flags & re.VERBOSE:
        return None
    if "." in loose:
        return "has an unescaped dot, which matches any character", False
    return f"has {loose[0]}, which matches any number of labels and characters", False


def cors_against_csrf(walk: Walk) -> Iterator[Finding]:
    """RG204: origins whose pages may read the answers to requests that are always refused."""
    refused: dict[tuple[Policy, Policy], list[tuple[Visit, Statement]]] = {}
    for visit in walk.visits:
        if visit.method in SAFE_METHODS:
            continue
        sharing, guarding = _winner(visit, cors), _winner(visit, csrf)
        if sharing is not None and guarding is not None:
            key = (sharing.policy, guarding.policy)
            refused.setdefault(key, []).append((visit, sharing))
    for (sharing_policy, guarding_policy), found in refused.items():
        assert isinstance(sharing_policy, cors) and isinstance(guarding_policy, csrf)
        origins = _refused(sharing_policy, guarding_policy)
        if origins:
            visits, statements = zip(*found, strict=True)
            others = len({visit.name for visit in visits}) - 1
            more = f" and {others} more routes" if others else ""
            first = [visit for visit in visits if visit.route is visits[0].route]
            yield Finding(
                "RG204",
                "warning",
                f"{route_place(first)}{more}",
                f"cors ({statements[0].place}) allows {few(origins)}, and {guarding_policy!r} "
                f"refuses what their pages send",
                "list the origins in csrf(trusted_origins=…) too, or leave them out of cors",
            )


def _winner(visit: Visit, kind: type[Policy]) -> Statement | None:
    decision: Decision | None = visit.resolution.decisions.get(kind)
    return decision.winners[0] if decision is not None and decision.winners else None


def _refused(sharing: cors, guarding: csrf) -> list[str]:
    """The origins that one allows and the other refuses, as far as can be told."""
    if not isinstance(sharing.origins, tuple):
        return [] if guarding.trusted_origins else ["what its predicate admits"]
    if sharing.everyone:
        return ["every origin"]
    found = []
    for origin in sharing.origins:
        if isinstance(origin, re.Pattern):
            if not guarding.trusted_origins:
                found.append(f"re.compile({origin.pattern!r})")
        elif isinstance(origin, str) and not _is_trusted(guarding, origin):
            found.append(origin)
    return found


def _is_trusted(guarding: csrf, origin: str) -> bool:
    # One origin stands for all that a pattern admits.
    example = origin.replace("://*.", "://subdomain.").removesuffix(":*")
    return origin in guarding.trusted_origins or guarding.trusts(example)


def _has_credentials(policy: Policy) -> bool:
    return isinstance(policy, cors) and policy.allow_credentials


def _trusted(policy: Policy) -> tuple[str, ...]:
    """The origins and patterns whose pages act for the user."""
    if isinstance(policy, csrf):
        return policy.trusted_origins
    if isinstance(policy, cors) and _has_credentials(policy) and isinstance(policy.origins, tuple):
        return tuple(origin for origin in policy.origins if isinstance(origin, str))
    return ()


def _regexes(policy: Policy) -> list[re.Pattern[str]]:
    if not isinstance(policy, cors) or not isinstance(policy.origins, tuple):
        return []
    return [origin for origin in policy.origins if isinstance(origin, re.Pattern)]


def _what(one: Stated) -> str:
    return "csrf" if isinstance(one.policy, csrf) else "cors with credentials"
