"""Events: what observers are told when a policy acts, and how they are told."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiohttp import web
from aiohttp.web_urldispatcher import PrefixedSubAppResource

__all__ = ["OBSERVERS", "Action", "Event", "Observer", "Observers"]

logger: logging.Logger = logging.getLogger("routeguard")

Action: TypeAlias = Literal[
    "answered",
    "ended",
    "expired",
    "failed",
    "given up",
    "granted",
    "left",
    "redirected",
    "refused",
    "would refuse",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a policy did to a request.

    Attributes:
        policy: the name of the policy's kind, as `explain` gives it: `"timeout"`, `"csrf"`.
        action: what was done. `"answered"`: `errors` answered an exception. `"ended"`: a stream
            or WebSocket was ended by the shutdown. `"expired"`: a bound was passed.
            `"failed"`: shielded work raised with nobody left to answer. `"given up"`: shielded
            work was cancelled, by its limit or by the shutdown. `"granted"`: a preflight was
            allowed. `"left"`: the client hung up and the work went on. `"redirected"`: the
            client was sent to another URL. `"refused"`: the request was answered instead of
            handled, or its origin got no CORS headers. `"would refuse"`: the same, had the
            policy not been in `report_only`.
        request: the request. An observer that keeps it keeps its body in memory, too.
        method: the request's method, as the client wrote it.
        place: where the policy is stated, as `explain` gives it: `'rule 3 "/api/*"'`.
        route: the canonical pattern of the request's resource; `None` where no route matches.
        status: the status of the answer that the policy gave; `None` where it gave none.
        error: the exception that was answered, or that ended the work; `None` where none was.
        seconds: the bound that was passed, or how long the work had run, in seconds.
        bound: which bound was passed: `"start"`, `"idle"`, `"total"` or `"limit"`.
    """

    policy: str
    action: Action
    request: web.BaseRequest
    method: str
    place: str = ""
    route: str | None = None
    status: int | None = None
    error: BaseException | None = None
    seconds: float | None = None
    bound: str | None = None


Observer = Callable[[Event], object]

OBSERVERS = web.AppKey[tuple[Observer, ...]]("observers", tuple)
"""What `setup` was given; absent where it was given none."""


class Observers:
    """The observers of one run of an application, those of the applications inside included.

    Made when the application starts. Where nobody observes, `tell` looks nothing up.
    """

    __slots__ = ("_failed", "_some")

    def __init__(self, app: web.Application) -> None:
        self._some: bool = any(OBSERVERS in one for one in _with_inner(app))
        self._failed: list[Observer] = []

    def __bool__(self) -> bool:
        """Whether there may be somebody to tell."""
        return self._some

    def tell(
        self,
        request: web.BaseRequest,
        policy: str,
        action: Action,
        *,
        place: str = "",
        status: int | None = None,
        error: BaseException | None = None,
        seconds: float | None = None,
        bound: str | None = None,
    ) -> None:
        """Calls the observers of every application around the request's route, outermost first.

        Call it where the policy acts, in the request's own task: observers find the current
        span and the request's context variables. A callback of the event loop runs in the
        context of whichever request armed the timer, so it must not call this.

        Args:
            request: the request.
            policy: the name of the policy's kind.
            action: what the policy did.
            place: where the policy is stated.
            status: the status of the answer that the policy gave.
            error: the exception that was answered, or that ended the work.
            seconds: the bound that was passed, or how long the work had run.
            bound: which bound was passed.
        """
        if not self._some:
            return
        match_info = request.match_info if isinstance(request, web.Request) else None
        apps = () if match_info is None else match_info.apps
        observers: list[Observer] = []
        for app in apps:
            # One that two applications name hears of an event once.
            observers += [one for one in app.get(OBSERVERS, ()) if one not in observers]
        if not observers:
            return
        resource = None if match_info is None else match_info.route.resource
        event = Event(
            policy=policy,
            action=action,
            request=request,
            method=request.method,
            place=place,
            route=None if resource is None else resource.canonical,
            status=status,
            error=error,
            seconds=seconds,
            bound=bound,
        )
        for observer in observers:
            try:
                observer(event)
            except (Exception, asyncio.CancelledError):
                if observer not in self._failed:
                    self._failed.append(observer)
                    logger.exception("the observer %r failed; it is logged once", observer)


def _with_inner(app: web.Application) -> Iterator[web.Application]:
    """An application, and all that are mounted in it."""
    yield app
    for resource in app.router.resources():
        if isinstance(resource, PrefixedSubAppResource):
            yield from _with_inner(resource.get_info()["app"])
