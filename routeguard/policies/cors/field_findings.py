"""RG205 and RG206: parts of a `cors` policy that no browser acts upon."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.finding import Finding, few
from routeguard.policies.cors.fields import DEFAULT_ALLOW_HEADERS

if TYPE_CHECKING:
    from routeguard.policies.cors.policy import cors

__all__ = ["field_findings"]

# Fetch, forbidden request-header.
FORBIDDEN_REQUEST_HEADERS = frozenset(
    "accept-charset accept-encoding access-control-request-headers access-control-request-method "
    "connection content-length cookie cookie2 date dnt expect host keep-alive origin referer "
    "set-cookie te trailer transfer-encoding upgrade via".split()
)
FORBIDDEN_PREFIXES = ("proxy-", "sec-")

LONGEST_AGE = 86_400  # seconds; Firefox keeps to it, others to less


def field_findings(policy: "cors", place: str) -> Iterator[Finding]:
    """Names in `allow_headers` that have no effect, and a `max_age` that has not its own.

    Args:
        policy: the policy.
        place: where it is stated.
    """
    names = policy.allow_headers
    if names >= DEFAULT_ALLOW_HEADERS:  # three of these are there for those who have them
        names -= DEFAULT_ALLOW_HEADERS
    forbidden = sorted(name for name in names if is_forbidden(name))
    if forbidden:
        yield Finding(
            "RG205",
            "warning",
            place,
            f"cors lists {few(forbidden)} in allow_headers, which browsers let no page set",
            "leave it out; cookies are a matter of allow_credentials"
            if "cookie" in forbidden
            else "leave it out",
        )
    if policy.max_age is not None and policy.max_age > LONGEST_AGE:
        yield Finding(
            "RG206",
            "info",
            place,
            f"max_age={policy.max_age} is longer than any browser keeps a preflight's answer: "
            f"Firefox for a day, Chromium for two hours",
            f"write max_age={LONGEST_AGE} or less",
        )


def is_forbidden(name: str) -> bool:
    """Whether no page can set a request header of this name, which is in lower case."""
    return name in FORBIDDEN_REQUEST_HEADERS or name.startswith(FORBIDDEN_PREFIXES)
