"""What `setup` is given as observers, checked."""

from collections.abc import Sequence

from routeguard.configuration import Faults, shown
from routeguard.policy import is_async
from routeguard.running.events import Observer

__all__ = ["check_observers"]


def check_observers(observers: object, faults: Faults) -> tuple[Observer, ...]:
    """The observers that `setup` was given, or noted faults."""
    example = "observers=[count]"
    if not isinstance(observers, Sequence) or isinstance(observers, str | bytes | bytearray):
        faults.add(f"observers={shown(observers)} is no list of callables: write {example}")
        return ()
    for one in observers:
        if not callable(one) or isinstance(one, type):
            faults.add(
                f"observers: {shown(one)} cannot be called with an Event: write a function of one "
                f"argument and {example}"
            )
        elif is_async(one):
            faults.add(
                f"observers: {shown(one)} is async, and an observer is called, not awaited: "
                f"write def, and start a task there if it has to wait"
            )
    return tuple(observers)
