"""What `explain` tells of `https`, and what looks wrong about one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Asked, Stated
from routeguard.finding import Finding, few
from routeguard.policies.https.decision import reported_scheme

if TYPE_CHECKING:
    from routeguard.policies.https.policy import https

__all__ = ["findings", "rows"]


def rows(policy: "https", asked: Asked) -> Iterator[tuple[str, str]]:
    """The scheme that the application would see."""
    if reported_scheme(asked.request.headers, policy.match_headers) != "https":
        refused = ", which is redirected or refused" if policy.redirect else ""
        yield "scheme", f"http{refused}"
    else:
        yield "scheme", f"https, if the proxy is among {', '.join(policy.trusted)}"


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
