"""What looks wrong about origins that act for the user, whichever kind of policy trusts them."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from routeguard.finding import Finding, few
from routeguard.origins.suffixes import is_loopback, is_public_suffix, split_pattern

__all__ = ["TRUST_CODES", "is_plain_http", "plain_http", "public_suffixes"]

TRUST_CODES: Mapping[str, str] = MappingProxyType(
    {
        "RG201": "plain-http origins trusted",
        "RG202": "a wildcard under a public suffix",
    }
)


def is_plain_http(origin: str) -> bool:
    """Whether pages of an origin come over plain HTTP, and not from the browser's own machine."""
    scheme, host = split_pattern(origin)
    return scheme == "http" and not is_loopback(host)


def plain_http(what: str, origins: Iterable[str], place: str) -> Iterator[Finding]:
    """RG201: origins that everybody on the way can read or forge.

    Args:
        what: who trusts them: `"csrf"`.
        origins: the origins and origin patterns.
        place: where they are stated.
    """
    if plain := [text for text in origins if is_plain_http(text)]:
        yield Finding(
            "RG201",
            "error",
            place,
            f"{what} trusts {few(plain)}: over plain HTTP anyone on the way can put a page there "
            f"that acts for the user",
            "write https://, or leave the origin out",
        )


def public_suffixes(what: str, origins: Iterable[str], place: str) -> Iterator[Finding]:
    """RG202: wildcards for subdomains that anyone may register.

    Args:
        what: who trusts them.
        origins: the origins and origin patterns.
        place: where they are stated.
    """
    hosts = [(text, split_pattern(text)[1]) for text in origins]
    public = [text for text, host in hosts if host[:2] == "*." and is_public_suffix(host[2:])]
    if public:
        yield Finding(
            "RG202",
            "error",
            place,
            f"{what} trusts {few(public)}: anyone may register a name there",
            "list the hosts that are yours",
        )
