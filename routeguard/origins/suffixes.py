"""Who owns a host name, by the public suffix list."""

import functools
import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

__all__ = ["is_loopback", "is_public_suffix", "registrable", "split_pattern", "suffix_list"]


@functools.cache
def suffix_list() -> "PublicSuffixList":
    """The list, read once.

    Raises:
        ImportError: the package that has it is not installed.
    """
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError as error:
        raise ImportError(
            "check needs publicsuffixlist: pip install 'routeguard[cli]'", name=error.name
        ) from error
    # An unknown top-level domain is somebody's own network, no registry.
    return PublicSuffixList(accept_unknown=False)


def is_public_suffix(host: str) -> bool:
    """Whether anyone may register names under a host: `com`, `co.uk`, `github.io`."""
    return bool(suffix_list().is_public(host))


def registrable(host: str) -> str | None:
    """The registered domain of a host, `example.com`; `None` where nothing is known of it."""
    return suffix_list().privatesuffix(host)


def is_loopback(host: str) -> bool:
    """Whether a host, or a pattern of it, is the browser's own (Secure Contexts, section 3.1)."""
    host = host.removesuffix(".")  # the root's
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def split_pattern(origin: str) -> tuple[str, str]:
    """Scheme and host of an origin or origin pattern, without port; `*.` stays."""
    scheme, _, rest = origin.partition("://")
    host = rest if rest.endswith("]") else rest.rpartition(":")[0] or rest
    return scheme, host
