"""By what a limit counts: the client's address, a header, or a callable of the user's own."""

import functools
import hashlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from aiohttp import web
from multidict import istr

from routeguard.configuration import ConfigError, Faults, shown
from routeguard.http import TOKEN

__all__ = [
    "Key",
    "KeyFunction",
    "check_key",
    "client_address",
    "header_key",
    "key_in_words",
    "read_key",
    "shown_key",
]

Key = str | int | bytes | None
"""What a key function returns: `None` exempts the request."""

KeyFunction = Callable[[web.Request], Key | Awaitable[Key]]

LONGEST = 128
"""Characters of a key that are kept as they are; of a longer one, a digest is."""

REMEMBERED = 4096
"""Addresses and header values whose keys are remembered."""


def client_address(request: web.Request) -> str:
    """The address of the client, as a key for limits.

    IPv6 addresses count by their /64, which is what one customer has; mapped IPv4 addresses
    (`::ffff:192.0.2.1`) as IPv4. Behind a proxy this is the proxy's own address, so that all
    clients share one limit, unless `proxied` finds out the client's. On a Unix socket there is no
    address, and all requests share the key `"local"`.

    Args:
        request: the request.
    """
    remote = request.remote
    if not remote:
        return "local"
    return remote if ":" not in remote else _network_of(remote)


@functools.lru_cache(REMEMBERED)
def _network_of(remote: str) -> str:
    try:
        address = ip_address(remote)
    except ValueError:  # a middleware may have put anything there
        return remote
    if not isinstance(address, IPv6Address):
        return remote
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class header_key:  # noqa: N801  # it reads as a function
    """The value of a request header, as a key for limits.

    A request without the header, or with several, counts by its address. The value is digested:
    neither the log nor a store ever holds it.

    Whatever a client writes there is believed. Where nothing checks the value, a client that
    makes up a new one for each request is not limited at all.

    Args:
        name: the header's name, such as `"X-Api-Key"`.

    Raises:
        ConfigError: it is no header's name.
    """

    name: str
    _field: istr

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise ConfigError(
                f"header_key({shown(name)}): it is no header's name: write header_key('X-Api-Key')"
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_field", istr(name))

    def __call__(self, request: web.Request) -> str:
        """The key of one request."""
        values = request.headers.getall(self._field, ())
        if len(values) != 1 or not values[0]:
            return client_address(request)
        return _digest_of(self.name.lower(), values[0])

    def __repr__(self) -> str:
        return f"header_key({self.name!r})"


@functools.lru_cache(REMEMBERED)
def _digest_of(name: str, value: str) -> str:
    return f"{name}={_digest(value)}"


def _digest(text: str) -> str:
    # Header values may hold bytes that are not UTF-8: aiohttp keeps them as lone surrogates.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def check_key(key: object, faults: Faults) -> None:
    """Notes as a fault a key that is no callable of a request."""
    remedy = "write client_address, header_key('X-Api-Key'), or a callable of the request"
    if key is header_key:
        faults.add("key=header_key names no header: write header_key('X-Api-Key')")
    elif isinstance(key, type) or not callable(key):
        faults.add(f"key={shown(key)} cannot be called with a request: {remedy}")
    elif not takes_one(key):
        faults.add(f"key={shown_key(key)} does not take one argument, the request: {remedy}")


def takes_one(call: Callable[..., object]) -> bool:
    """Whether something can be called with one argument; what tells nothing can."""
    try:
        inspect.signature(call).bind(None)
    except TypeError:
        return False
    except ValueError:
        return True  # written in C, and without a signature to read
    return True


def shown_key(key: object) -> str:
    """A key function as a policy's repr shows it: by its name, where it has one."""
    return getattr(key, "__qualname__", None) or repr(key)


def key_in_words(key: KeyFunction) -> str:
    """By what a limit counts, as explanations say it."""
    if key is client_address:
        return "for each client address"
    if isinstance(key, header_key):
        return f"for each {key.name}"
    return f"for each key that {shown_key(key)} finds"


def read_key(found: Key) -> str | None:
    """What a key function returned, as a text of bounded length; `None` exempts."""
    if found is None:
        return None
    text = found if isinstance(found, str) else repr(found)
    return text if len(text) <= LONGEST else f"digest={_digest(text)}"
