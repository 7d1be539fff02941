"""`timeout`: how long a handler may take to start its response, to stay silent, to finish."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from aiohttp import web

from routeguard.asking import Stated
from routeguard.configuration import ConfigError, Faults, read_seconds, shown
from routeguard.finding import Finding
from routeguard.policies.timeout import telling
from routeguard.policies.timeout.serving import BoundTimeout
from routeguard.policy import Place, Policy
from routeguard.running.application import RUNNING
from routeguard.running.deadlines import Bounds, Deadline
from routeguard.running.state import state_of

__all__ = ["RunningDeadline", "deadline", "timeout"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class timeout(Policy):
    """Bounds the time of a handler, with the cancellation semantics of `asyncio.timeout`.

    Past a bound the handler is cancelled, and `HandlerTimeout` raised where it was awaited: the
    error handler answers it, or aiohttp with its own 504 (RFC 9110, section 15.6.5). Where the
    response has started already, the connection is closed so that the client can tell the body
    is incomplete; a WebSocket is closed with code 1001 (RFC 6455, section 7.4.1: going away). All
    bounds end when the handler returns; what aiohttp sends after that is aiohttp's.

    Args:
        seconds: the response must have *started* by then (int, float or `timedelta`); `None` for
            no limit. A stream, file or WebSocket that has started is not bounded by it.
        idle: the longest silence inside a response that the handler streams, in seconds, from
            its headers on. A handler that a slow client holds up in `write()` is not silent.
            WebSockets are left to their `heartbeat`. Default: no limit.
        total: bounds the whole handler, streaming included, in seconds. Default: no limit.

    Raises:
        ConfigError: a time that is zero, negative, not finite, or no time at all.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {"RG303": "a timeout longer than proxies wait"}

    seconds: float | None
    idle: float | None
    total: float | None

    def __init__(
        self,
        seconds: float | timedelta | None,
        *,
        idle: float | timedelta | None = None,
        total: float | timedelta | None = None,
    ) -> None:
        if callable(seconds):
            raise _bare(seconds)
        faults = Faults(f"timeout({shown(seconds)})")
        object.__setattr__(self, "seconds", read_seconds("seconds", seconds, faults))
        object.__setattr__(self, "idle", read_seconds("idle", idle, faults))
        object.__setattr__(self, "total", read_seconds("total", total, faults))
        faults.raise_any()

    def bind(self, place: Place) -> BoundTimeout | None:
        """The bounds, with the clocks of one run; `None` where nothing is bounded."""
        if self.seconds is self.idle is self.total is None:
            return None
        clocks = place.running.clocks
        bounds = Bounds(
            start=None if self.seconds is None else clocks.of("start", self.seconds),
            total=None if self.total is None else clocks.of("total", self.total),
            idle=None if self.idle is None else clocks.of("idle", self.idle),
        )
        return BoundTimeout(bounds, place.running.loop, place)

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about it."""
        return telling.findings(self, stated)

    def __repr__(self) -> str:
        given = [_number(self.seconds)]
        given += [] if self.idle is None else [f"idle={_number(self.idle)}"]
        given += [] if self.total is None else [f"total={_number(self.total)}"]
        return f"timeout({', '.join(given)})"


def _number(seconds: float | None) -> str:
    return "None" if seconds is None else f"{seconds:.12g}"


def _bare(handler: Callable[..., object]) -> ConfigError:
    name = getattr(handler, "__qualname__", repr(handler))
    return ConfigError(f"@timeout without seconds above {name}: write @timeout(5)")


class RunningDeadline:
    """What `deadline` returns: the handler's view of the bounds that run."""

    __slots__ = ("_deadline",)

    def __init__(self, running: Deadline | None) -> None:
        self._deadline = running

    @property
    def remaining(self) -> float | None:
        """Seconds to the nearest of the start and total bounds; `None` where no limit runs.

        For passing on to a database or an HTTP client. `0.0` once a bound has been passed.
        """
        return None if self._deadline is None else self._deadline.remaining

    def extend(self, seconds: float | timedelta) -> None:
        """Sets `remaining` to so many seconds from now; nothing where no limit runs.

        Args:
            seconds: positive and finite (int, float or `timedelta`).

        Raises:
            ConfigError: it is not.
        """
        faults = Faults("deadline(request).extend(...)")
        checked = read_seconds("seconds", seconds, faults, none=None)
        faults.raise_any()
        if self._deadline is not None and checked is not None:
            self._deadline.extend(checked)

    def lift(self) -> None:
        """Takes the start and total bounds away for the rest of this request."""
        if self._deadline is not None:
            self._deadline.lift()

    def __repr__(self) -> str:
        remaining = self.remaining
        return f"<deadline: {'no limit' if remaining is None else f'{remaining:.3f} s left'}>"


def deadline(request: web.Request) -> RunningDeadline:
    """The deadline under which a request is being handled.

    Args:
        request: the request; also one that a middleware has cloned.

    Returns:
        A handle whose `remaining` is `None` where no timeout applies; there `extend` and `lift`
        do nothing.
    """
    state = state_of(request)
    if state is not None and (found := state.running_deadline()) is not None:
        return RunningDeadline(found)
    # In the fast lane a request has only an entry with a clock.
    match_info = request.match_info
    for app in match_info.apps:
        if RUNNING in app:
            found = app[RUNNING].clocks.deadline_of(id(match_info))
            if found is not None:
                return RunningDeadline(found)
    return RunningDeadline(None)
