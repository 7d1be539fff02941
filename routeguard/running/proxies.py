"""What proxies reported of a request, for the policies that go by it."""

from dataclasses import dataclass

from aiohttp import web

from routeguard.network.authorities import Authority, read_authority, target_authority
from routeguard.running.state import State, state_of

__all__ = ["Proxied", "asked_authority", "note_proxied", "proxied_of"]

NOTE = object()


@dataclass(frozen=True, slots=True)
class Proxied:
    """A request whose address, scheme and host are what trusted proxies reported.

    Attributes:
        headers: the headers that scheme and host are read from.
        host: the host that proxies reported; `None` where none was taken.
        scheme: that of a clone, where the request could not be changed; `None` where it was.
    """

    headers: tuple[str, ...]
    host: str | None = None
    scheme: str | None = None


def note_proxied(state: State, proxied: Proxied) -> None:
    """Notes for the time of a request that its scheme needs no other header to be read."""
    state.note(NOTE, proxied)


def proxied_of(state: State | None) -> Proxied | None:
    """What was noted; `None` where no policy on the route goes by proxies."""
    noted = None if state is None else state.noted(NOTE)
    return noted if isinstance(noted, Proxied) else None


def asked_authority(request: web.BaseRequest) -> Authority | None:
    """The host and port that a request is for: as proxies reported it, or as it was written.

    Returns:
        `None` for a request without `Host`, with several, or with one that is none.
    """
    proxied = proxied_of(state_of(request))
    if proxied is not None and proxied.host is not None:
        return read_authority(proxied.host)
    return target_authority(request)
