"""What well-known proxies send, as their documentation and sources have it, and how it is read."""

from dataclasses import dataclass

import pytest

from routeguard import proxied
from tests.support.requests import Transport, request_over

CLIENT = "203.0.113.9"
FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
HOST, PORT = "X-Forwarded-Host", "X-Forwarded-Port"
SHOP = "shop.example"


@dataclass(frozen=True)
class Sent:
    """The headers that a proxy sends to what is behind it, for a client that came over HTTPS."""

    product: str
    policy: proxied
    headers: tuple[tuple[str, str], ...]
    peer: str = "10.0.0.7"
    host: str | None = None

    def __str__(self) -> str:
        return self.product


SENT = [
    Sent(
        "Traefik",
        proxied("10.0.0.0/8", host=True),
        ((FOR, CLIENT), (HOST, SHOP), (PORT, "443"), (PROTO, "https"), ("X-Real-Ip", CLIENT)),
        host=SHOP,
    ),
    Sent(
        "Traefik, a WebSocket",
        proxied("10.0.0.0/8", host=True),
        ((FOR, CLIENT), (HOST, f"{SHOP}:8443"), (PORT, "8443"), (PROTO, "wss")),
        host=f"{SHOP}:8443",
    ),
    Sent(
        "Traefik behind a load balancer that it trusts",
        proxied("10.0.0.0/8", host=True),
        ((FOR, f"1.2.3.4, {CLIENT}, 10.0.0.9"), (HOST, SHOP), (PORT, "443"), (PROTO, "https")),
        host=SHOP,
    ),
    Sent(
        "AWS Application Load Balancer",
        proxied("10.0.0.0/16"),
        ((FOR, f"1.2.3.4, {CLIENT}"), (PROTO, "https"), (PORT, "443")),
    ),
    Sent(
        "AWS Application Load Balancer, with the client's port",
        proxied("10.0.0.0/16"),
        ((FOR, f"1.2.3.4, {CLIENT}:4711"), (PROTO, "https"), (PORT, "443")),
    ),
    Sent(
        "Google Cloud Application Load Balancer",
        proxied(["35.191.0.0/16", "130.211.0.0/22"], hops=2),
        ((FOR, f"1.2.3.4, {CLIENT}, 198.51.100.7"), (PROTO, "https")),
        peer="35.191.8.9",
    ),
    Sent(
        "Azure Application Gateway",
        proxied("10.0.0.0/24"),
        ((FOR, f"{CLIENT}:4711"), (PROTO, "https"), (PORT, "443"), ("X-Original-Host", SHOP)),
    ),
    Sent(
        "ingress-nginx",
        proxied("10.0.0.0/8", host=True),
        ((FOR, CLIENT), (HOST, SHOP), (PORT, "443"), (PROTO, "https"), ("X-Scheme", "https")),
        host=SHOP,
    ),
    Sent(
        "Caddy",
        proxied("10.0.0.0/8", host=True),
        ((FOR, CLIENT), (PROTO, "https"), (HOST, SHOP)),
        host=SHOP,
    ),
    Sent(
        "HAProxy, forwardfor: a line of its own",
        proxied("10.0.0.0/8"),
        ((FOR, "1.2.3.4"), (PROTO, "https"), (FOR, CLIENT)),
    ),
    Sent(
        "HAProxy, forwarded",
        proxied("10.0.0.0/8", forwarded=True),
        (("Forwarded", f"proto=https;for={CLIENT}"),),
    ),
    Sent(
        "HAProxy, a template that leaves out quotes",
        proxied("10.0.0.0/8", forwarded=True, host=True),
        (("Forwarded", f"for={CLIENT};host={SHOP}:8443;proto=https"),),
        host=f"{SHOP}:8443",
    ),
    Sent(
        "Envoy",
        proxied("10.0.0.0/8"),
        ((FOR, f"1.2.3.4, {CLIENT}"), (PROTO, "https"), ("X-Envoy-External-Address", CLIENT)),
    ),
    Sent(
        "fabio",
        proxied("10.0.0.0/8", forwarded=True),
        (
            ("Forwarded", f"for={CLIENT}; proto=https; by=10.0.0.7; httpproto=http/1.1"),
            (FOR, CLIENT),
            (PROTO, "https"),
        ),
    ),
    Sent(
        "fabio, a WebSocket",
        proxied("10.0.0.0/8"),
        (("Forwarded", f"for={CLIENT}; proto=wss; by=10.0.0.7"), (FOR, CLIENT), (PROTO, "wss")),
    ),
]


@pytest.mark.parametrize("sent", SENT, ids=str)
def test_the_client_of_what_is_sent(sent: Sent) -> None:
    found = sent.policy.reported(request_over(Transport((sent.peer, 4711)), sent.headers))
    assert (found.remote, found.scheme, found.host) == (CLIENT, "https", sent.host)
