"""`concurrency_limit`: so many requests at a time; the others wait in order, or are refused."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from routeguard.asking import Asked
from routeguard.configuration import Faults, read_seconds, shown
from routeguard.keys import KeyFunction, check_key, shown_key
from routeguard.policies.concurrency_limit import telling
from routeguard.policies.concurrency_limit.serving import BoundConcurrencyLimit
from routeguard.policy import Place, Policy

__all__ = ["concurrency_limit"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class concurrency_limit(Policy):
    """At most so many requests at a time; what comes beyond waits in order, or is refused.

    A request holds its seat until its work ends: a shielded handler until the handler has
    returned, whether its client is there or not; a stream and a WebSocket as long as they last.
    One statement is one limit, wherever it applies: a rule's for all routes that it matches, a
    fallback's for the whole application. Of several statements the nearest applies.

    Requests that wait are served in the order in which they came. They wait within their
    `timeout`. Whoever hangs up leaves the queue, also where the server's `handler_cancellation`
    is off. A request that finds the queue full gets `Overloaded`, 503 with `Retry-After`; so does
    each that waits when the application begins to shut down. What is refused is logged at INFO on
    `routeguard.concurrency_limit`.

    Args:
        running: how many requests run at a time, in one process; for each key, where there is
            one.
        waiting: how many more wait. Default: 0, nobody waits.
        key: by what is counted: `client_address`, `header_key("X-Api-Key")`, or a callable of the
            request, which may be async. Where it returns `None`, the request is not limited.
            Default: all requests count together.
        retry_after: seconds in `Retry-After`, rounded up (int, float or `timedelta`). Default: 1.
        report_only: let everything pass, and only tell observers and the log what would have been
            refused. Nobody waits. Default: false.

    Raises:
        ConfigError: a number that is none, or a key that cannot be called.
    """

    running: int
    waiting: int
    key: KeyFunction | None
    retry_after: int
    report_only: bool

    def __init__(
        self,
        running: int,
        *,
        waiting: int = 0,
        key: KeyFunction | None = None,
        retry_after: float | timedelta = 1,
        report_only: bool = False,
    ) -> None:
        faults = Faults("concurrency_limit(...)")
        if not _is_count(running) or running < 1:
            faults.add(f"running={shown(running)} lets nobody in: write a whole number, such as 10")
        if not _is_count(waiting) or waiting < 0:
            faults.add(f"waiting={shown(waiting)} is no number of requests: write 0, 10 or 100")
        if key is not None:
            check_key(key, faults)
        seconds = read_seconds("retry_after", retry_after, faults, none=None)
        if not isinstance(report_only, bool):
            faults.add(f"report_only={shown(report_only)} is neither True nor False")
        faults.raise_any()
        object.__setattr__(self, "running", running)
        object.__setattr__(self, "waiting", waiting)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "retry_after", math.ceil(seconds or 1))
        object.__setattr__(self, "report_only", report_only)

    def bind(self, place: Place) -> BoundConcurrencyLimit:
        """The limit with the seats of one run of the application."""
        return BoundConcurrencyLimit(self, place)

    def explain(self, asked: Asked) -> Iterable[tuple[str, str]]:
        """How many requests are let through."""
        return telling.rows(self, asked)

    def __repr__(self) -> str:
        given = [str(self.running)]
        given += [f"waiting={self.waiting}"] if self.waiting else []
        given += [] if self.key is None else [f"key={shown_key(self.key)}"]
        given += [f"retry_after={self.retry_after}"] if self.retry_after != 1 else []
        given += ["report_only=True"] if self.report_only else []
        return f"concurrency_limit({', '.join(given)})"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
