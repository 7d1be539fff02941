"""The clocks of one application: one for each duration, with one timer of the event loop each."""

import asyncio

from routeguard.running.deadlines import Bound, Clock, Deadline

__all__ = ["Clocks"]


class Clocks:
    """All clocks of one application, in the event loop that runs it."""

    __slots__ = ("_clocks", "loop")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._clocks: dict[tuple[Bound, float], Clock] = {}

    def start(self) -> None:
        """Makes ready for one run of the application, in the loop that runs now."""
        self.loop = asyncio.get_running_loop()
        self._clocks = {}

    def of(self, bound: Bound, seconds: float) -> Clock:
        """The clock of a bound and a duration. That of an infinite duration never rings."""
        clock = self._clocks.get((bound, seconds))
        if clock is None:
            clock = Clock(bound, seconds, self.loop or asyncio.get_running_loop())
            self._clocks[bound, seconds] = clock
        return clock

    def deadline_of(self, key: int) -> Deadline | None:
        """The deadline of a key that is in one of the clocks; `None` where it is in none."""
        for clock in self._clocks.values():
            if (deadline := clock.deadline_of(key)) is not None:
                return deadline
        return None

    def server_of(self, key: int) -> object:
        """The fast lane that serves the request of a key; `None` where the key is in no clock."""
        for clock in self._clocks.values():
            if (server := clock.server_of(key)) is not None:
                return server
        return None
