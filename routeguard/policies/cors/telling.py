"""What `explain` tells of `cors`, and what looks wrong about one."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from multidict import CIMultiDict

from routeguard.asking import Asked, OnlyRunning, Stated, at_once
from routeguard.finding import Finding, Severity
from routeguard.origins.findings import plain_http, public_suffixes
from routeguard.origins.suffixes import registrable, split_pattern
from routeguard.policies.cors.field_findings import field_findings
from routeguard.policies.cors.preflight import REQUEST_METHOD, Refusal, judge
from routeguard.policies.cors.regexes import admitted, loose_parts, stranger

if TYPE_CHECKING:
    from routeguard.policies.cors.policy import cors

__all__ = ["findings", "rows"]


def rows(policy: "cors", asked: Asked) -> Iterator[tuple[str, str]]:
    """What becomes of the origin, and of a preflight for the method."""
    if asked.origin is not None:
        yield "origin", _verdict(policy, asked)
    if asked.origin is not None or policy.everyone:
        yield "preflight", _preflight(policy, asked)


def _verdict(policy: "cors", asked: Asked) -> str:
    try:
        origin = at_once(policy.allowed_origin(asked.request))
    except OnlyRunning as error:
        return f"the predicate waits for something: {error}"
    if asked.missed:
        return f"the predicate reads request.{asked.missed}: only a running server can tell"
    return "refused: the origin is not allowed" if origin is None else "allowed"


def _preflight(policy: "cors", asked: Asked) -> str:
    headers = cast("CIMultiDict[str]", asked.request.headers)  # those of a stand-in are its own
    headers.setdefault(REQUEST_METHOD, asked.method)
    try:
        granted = at_once(judge(policy, asked.request, asked.method, routed=asked.routed))
    except Refusal as refusal:
        return _verdict(policy, asked) if asked.missed else f"403: {refusal}"
    except OnlyRunning as error:
        return f"the predicate waits for something: {error}"
    return "204" + "".join(f"\n{name}: {value}" for name, value in granted.items())


def findings(policy: "cors", stated: Stated) -> Iterator[Finding]:
    """Origins that are trusted with more than they deserve, and parts that have no effect."""
    yield from field_findings(policy, stated.place)
    if not isinstance(policy.origins, tuple):
        return
    regexes = [origin for origin in policy.origins if isinstance(origin, re.Pattern)]
    if policy.allow_credentials:
        texts = [origin for origin in policy.origins if isinstance(origin, str)]
        what = "cors with credentials"
        plain = [next(_plain_examples(regex), "") for regex in regexes]
        yield from plain_http(what, [*texts, *filter(None, plain)], stated.place)
        yield from public_suffixes(what, texts, stated.place)
    for regex in regexes:
        yield from _loose(policy, regex, stated.place)


def _plain_examples(regex: re.Pattern[str]) -> Iterator[str]:
    return (text for text in admitted(regex) if text.startswith("http://"))


def _loose(policy: "cors", regex: re.Pattern[str], place: str) -> Iterator[Finding]:
    """RG203: unescaped dots, and `.*` where a label is meant."""
    found = _looseness(regex)
    if found is None:
        return
    message, is_proven = found
    severity: Severity = "error" if is_proven else "warning"
    if not policy.allow_credentials:
        if not is_proven:
            return
        severity = "info"
    yield Finding(
        "RG203",
        severity,
        place,
        f"re.compile({regex.pattern!r}) {message}",
        r"escape dots (`\.`), or write a pattern: 'https://*.example.com' admits subdomains and "
        r"nothing else",
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
