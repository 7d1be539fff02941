"""What one application states: its rules, its fallbacks, and where it is mounted."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from yarl import URL

from routeguard.policy import PlaceKind, Policy
from routeguard.routes.marker_resources import RoutelessResource
from routeguard.routes.rules import RuleIndex

__all__ = ["SCOPE", "Mount", "Scope", "Statement", "scopes_of"]


class Mount(RoutelessResource):
    """Learns under which prefix an application is mounted, and that it is mounted and frozen.

    aiohttp tells it only to the resources of a sub-application, through `add_prefix` and `freeze`.
    This one has no routes and a canonical path that no URL walks through, so it takes part in
    nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prefix: str = ""
        self.when_mounted: Callable[[], None] | None = None
        """Called when the application is mounted under a prefix, before it is frozen."""
        self.when_frozen: Callable[[], None] | None = None
        """Called when the application's middlewares cannot be changed any more."""

    @property
    def canonical(self) -> str:
        return "routeguard"

    def add_prefix(self, prefix: str) -> None:
        self.prefix = URL.build(path=prefix, encoded=True).path + self.prefix
        if self.when_mounted is not None:
            self.when_mounted()

    def freeze(self) -> None:
        if self.when_frozen is not None:
            self.when_frozen()


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """One application that was given to `setup`."""

    app: web.Application
    rules: RuleIndex
    fallbacks: tuple[Policy, ...]
    mount: Mount


SCOPE = web.AppKey("scope", Scope)


@dataclass(frozen=True, slots=True)
class Statement:
    """A policy, and where it is stated.

    Attributes:
        policy: the policy.
        place: the place in words.
        app: the application that states it; of a decorator, the handler's own.
        kind: what sort of place it is.
        key: what tells this statement from all others of the application.
        handler: the handler that it stands on; `None` where it stands on none.
    """

    policy: Policy
    place: str
    app: web.Application = field(repr=False)
    kind: PlaceKind = field(repr=False)
    key: Hashable = field(repr=False, compare=False)
    handler: object = field(default=None, repr=False, compare=False)


def scopes_of(match_info: AbstractMatchInfo) -> list[Scope]:
    """The applications around a route that are set up, the innermost first."""
    found = (app.get(SCOPE) for app in reversed(match_info.apps))
    return [scope for scope in found if scope is not None]
