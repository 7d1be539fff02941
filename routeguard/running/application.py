"""One run of an application: what is made when it starts and ends with it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiohttp import web

from routeguard.running.clocks import Clocks
from routeguard.running.events import Observers

__all__ = ["RUNNING", "Asked", "Reached", "Running", "Service"]

S = TypeVar("S", bound="Service")


@dataclass(frozen=True, slots=True)
class Reached:
    """What a request with another method would reach at the same place.

    Attributes:
        method: the method asked about.
        routed: whether the path routes it, or nothing at all.
        is_kept: whether path and method alone decide it, so that an answer may be kept by them.
        bound: the policies that apply there, as they are bound.
        remember: has further preflights like this one matched at once, without aiohttp making a
            405 of each.
    """

    method: str
    routed: bool
    is_kept: bool
    bound: tuple[object, ...]
    remember: Callable[[], None]


class Asked(Protocol):
    """Tells what a request would reach if it had another method."""

    async def __call__(self, request: web.Request, method: str, /) -> Reached: ...


class Service:
    """What policies share for one run of an application; made by `Running.service`."""

    def __init__(self, running: "Running") -> None:
        self.running: Running = running

    def begin_shutdown(self) -> None:
        """Is called at once when the application's shutdown begins."""

    async def drain(self, until: float) -> None:
        """Is awaited before any cleanup of the application's own.

        Args:
            until: when the waiting ends, by the event loop's clock.
        """

    async def stop(self) -> None:
        """Is awaited at the end of the run."""

    def status_of(self, policy: object) -> str:
        """What there is to tell of a policy while it serves; empty where there is nothing."""
        return ""


class Running:
    """One run of an application that was set up.

    Policies are bound to it, and keep in it what they share: `service` makes one object of a
    class for the whole run.
    """

    def __init__(self, app: web.Application, drain: float) -> None:
        self.app: web.Application = app
        self.drain: float = drain
        """For how many seconds shutdown waits for shielded work."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.clocks: Clocks = Clocks()
        self.drain_until: float | None = None
        """When the wait for shielded work ends, by the loop's clock; `None` before shutdown."""
        self.reach: Asked = _nothing_reached
        self.part_of: Running | None = None
        """The run of the application around it that handles its requests, if one does."""
        self.observers: Observers = Observers(app)
        """Who is told what policies do."""
        self._services: dict[type[Service], Service] = {}

    @property
    def shutting_down(self) -> bool:
        """Whether the shutdown has begun."""
        return self.drain_until is not None

    def begin(self) -> None:
        """Makes ready for one run, in the event loop that runs now."""
        self.loop = asyncio.get_running_loop()
        self.clocks.start()
        self.observers = Observers(self.app)
        self.drain_until = None
        self._services.clear()

    def service(self, of: type[S]) -> S:
        """The one object of a class that a run has, made when it is first asked for."""
        found = self._services.get(of)
        if not isinstance(found, of):
            found = self._services[of] = of(self)
        return found

    @property
    def services(self) -> tuple[Service, ...]:
        """All objects that `service` has made in this run."""
        return tuple(self._services.values())


async def _nothing_reached(request: web.Request, method: str, /) -> Reached:
    return Reached(method, routed=False, is_kept=False, bound=(), remember=lambda: None)


RUNNING = web.AppKey("running", Running)
