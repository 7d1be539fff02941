"""What policies are asked about themselves, by `explain` and by `check`."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from aiohttp import web

from routeguard.network.addresses import Node

__all__ = ["Asked", "OnlyRunning", "PlaceKind", "Seen", "Stated", "StatedRoute", "at_once"]

T = TypeVar("T")

PlaceKind = Literal["decorator", "view method", "view class", "rule", "fallback"]


@dataclass(slots=True)
class Seen:
    """How policies farther in, and the handler, would see a request that nobody has sent.

    Policies that change a request change this. What is `None` is as the connection has it, which
    only a running server can tell.

    Attributes:
        peer: the other end of the connection, where one was given: an address or `"unix"`.
        remote: the client's address.
        scheme: `"http"` or `"https"`.
        host: the host, where it is not what `Host` says.
        by_proxied: whether the scheme is settled, so that no further header is read for it.
    """

    peer: Node | None = None
    remote: str | None = None
    scheme: str | None = None
    host: str | None = None
    by_proxied: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that nobody has sent, as `explain` asks a policy that applies to it.

    Attributes:
        request: what can be told of the request without a server: method, URL, path, query,
            headers and host. Any other attribute raises `AttributeError`.
        method: its method, in upper case.
        origin: the `Origin` of the page that sends it; `None` without one.
        routed: whether the path routes the method; also true where it routes nothing at all.
        place: where the policy is stated: `'rule 3 "/api/*"'`, `"fallback"`, `"decorator"`.
        told: the rows that policies outside this one have told, by name.
        seen: how the request would be seen, as far as policies outside this one change it.
        missed: what a policy has read of the request that cannot be told without a server;
            empty where it has read nothing of the kind.
    """

    request: web.BaseRequest
    method: str
    origin: str | None
    routed: bool
    place: str
    told: Mapping[str, str]
    seen: Seen = field(default_factory=Seen)

    @property
    def missed(self) -> str:
        missed: object = getattr(self.request, "missed", "")
        return missed if isinstance(missed, str) else ""


@dataclass(frozen=True, slots=True)
class StatedRoute:
    """A route to which a statement applies.

    Attributes:
        methods: those of the route's methods to which it applies, in upper case.
        path: the canonical pattern of the route, decoded.
        handler: the handler's name.
    """

    methods: tuple[str, ...]
    path: str
    handler: str

    def __str__(self) -> str:
        # aiohttp adds HEAD to every GET; to a reader they are one.
        named = [one for one in self.methods if one != "HEAD" or "GET" not in self.methods]
        return f"{','.join(named)} {self.path}"


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement of a policy, as `check` asks the policy about it.

    Attributes:
        place: where it stands, as findings name it: `'rule 3 "/api/*"'`, `"fallback"`,
            `"decorator of shop.pay"`.
        kind: what it stands as.
        routes: the routes to which it applies; none where something nearer always does.
    """

    place: str
    kind: PlaceKind
    routes: tuple[StatedRoute, ...]


class OnlyRunning(RuntimeError):  # it is no fault of anybody's
    """Something that only a running server can tell."""

    def __init__(self) -> None:
        super().__init__("only a running server can tell")


def at_once(waiting: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing outside.

    Raises:
        OnlyRunning: it waits for something.
    """
    try:
        waiting.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    waiting.close()
    raise OnlyRunning
