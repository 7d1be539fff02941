"""Event loops of the sort that a run is to use, in its own process and in those that it starts.

`pytest --loop NAME` chooses; the processes of a run find the name in their environment.
"""

import asyncio
import os

__all__ = ["ENVIRONMENT", "NAMES", "new_event_loop", "prepared"]

ENVIRONMENT = "ROUTEGUARD_TESTS_LOOP"
NAMES = ("asyncio", "uvloop", "eager-debug")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop of the sort that was chosen; asyncio's own where nothing was."""
    if os.environ.get(ENVIRONMENT) == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return prepared(asyncio.SelectorEventLoop())


def prepared(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Gives a loop of asyncio's the debug mode and the task factory that were chosen."""
    if os.environ.get(ENVIRONMENT) == "eager-debug":
        loop.set_debug(True)
        # mypy checks against Python 3.11, which has no such factory.
        loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
    return loop
