"""What `explain` tells of `https`, and what looks wrong about one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Asked, Stated
from routeguard.finding import Finding, few
from routeguard.policies.https.decision import is_malformed, reported_scheme

if TYPE_CHECKING:
    from routeguard.policies.https.policy import https

__all__ = ["findings", "rows"]


def rows(policy: "https", asked: Asked) -> Iterator[tuple[str, str]]:
    """The scheme that the application would see, and whether it is redirected."""
    seen, headers = asked.seen, asked.request.headers
    refused = ", which is redirected or refused" if policy.redirect else ""
    if seen.by_proxied:
        if policy.redirect and seen.scheme == "http":
            yield "note", "https redirects or refuses it, as it came over plain HTTP"
        return
    trusted = ", ".join(policy.trusted)
    said = reported_scheme(headers, policy.match_headers)
    if seen.peer is not None and not policy.trusts(seen.peer):
        yield "scheme", f"http{refused}"
        if said is not None:
            yield "note", f"https believes no header of {seen.peer}, which is not among {trusted}"
        return
    if said == "https":
        condition = "" if seen.peer is not None else f", if the proxy is among {trusted}"
        yield "scheme", f"https{condition}"
    else:
        yield "scheme", f"http{refused}"
    seen.scheme = said or seen.scheme
    if "Forwarded" in policy.names and is_malformed(headers):
        yield "note", "Forwarded is malformed, and says nothing"


def findings(policy: "https", stated: Stated) -> Iterator[Finding]:
    """RG401: headers that any client may send are taken for the proxy's."""
    wide = [text for text in policy.trusted if text == "*" or text.endswith("/0")]
    if wide:
        headers = few(name for name, _ in policy.match_headers)
        yield Finding(
            "RG401",
            "warning",
            stated.place,
            f"https trusts {few(map(repr, wide))}, so every client can claim HTTPS with {headers}",
            "name the proxy's network: https(trusted='10.0.0.0/8')",
        )
