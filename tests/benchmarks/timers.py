"""An event loop that counts the timers armed on it, by overriding its public ``call_at``."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

_Ts = TypeVarTuple("_Ts")


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that knows how many timers were armed, and how many of them still stand."""

    def __init__(self) -> None:
        super().__init__()
        self.armed = 0
        self._handles: list[asyncio.TimerHandle] = []

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *args, context=context)
        self.armed += 1
        self._handles.append(handle)
        return handle

    def standing(self) -> int:
        """Timers that are neither cancelled nor due."""
        now = self.time()
        return sum(not handle.cancelled() and handle.when() > now for handle in self._handles)

    def forget(self) -> None:
        """Count from here on."""
        self.armed = 0
        self._handles.clear()
