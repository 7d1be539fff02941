"""What `explain` tells of `proxied`, and what looks wrong about one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routeguard.asking import Asked, Stated
from routeguard.finding import Finding, few
from routeguard.network.peers import EVERYONE
from routeguard.policies.proxied.decision import ignored

if TYPE_CHECKING:
    from routeguard.policies.proxied.policy import proxied

__all__ = ["findings", "rows"]


def rows(policy: "proxied", asked: Asked) -> Iterator[tuple[str, str]]:
    """Address, scheme and host that the application would see, and what was malformed."""
    seen, headers = asked.seen, asked.request.headers
    seen.by_proxied = True
    trusted = ", ".join(policy.trusted)
    if seen.peer is not None and not policy.trusts(seen.peer):
        yield "address", f"{seen.peer}, which is not among {trusted}: no header is believed"
        yield "scheme", "that of the connection"
        return
    found = policy.report(headers, seen.scheme or "http")
    condition = "" if seen.peer is not None else f", if the proxy is among {trusted}"
    own = seen.remote or "that of the connection"
    yield "address", own if found.remote is None else f"{found.remote}{condition}"
    yield (
        "scheme",
        "that of the connection" if found.scheme is None else f"{found.scheme}{condition}",
    )
    if policy.host:
        yield "host", "that of the request" if found.host is None else f"{found.host}{condition}"
    seen.remote = found.remote or seen.remote
    seen.scheme = found.scheme or seen.scheme
    seen.host = found.host
    for text in ignored(headers, forwarded=policy.forwarded, host=policy.host):
        yield "note", text


def findings(policy: "proxied", stated: Stated) -> Iterator[Finding]:
    """RG402: headers that any client may send are taken for the proxies'."""
    wide = [text for text in policy.trusted if text == EVERYONE or text.endswith("/0")]
    if not wide:
        return
    names = few(map(repr, wide))
    if policy.hops is None:
        message = (
            f"proxied trusts {names}, so the walk passes every address to the leftmost, which any "
            f"client writes as it likes"
        )
    else:
        message = f"proxied trusts {names}, so whoever reaches the port can claim any address"
    yield Finding(
        "RG402",
        "warning" if policy.hops is None else "info",
        stated.place,
        message,
        "name the proxies' networks: proxied('10.0.0.0/8')",
    )
