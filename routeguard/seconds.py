"""Durations as policies take them: numbers of seconds or `timedelta`s, checked."""

import math
from datetime import timedelta

from routeguard.configuration import Faults, shown

__all__ = ["read_seconds"]


def read_seconds(
    name: str,
    value: float | timedelta | None,
    faults: Faults,
    *,
    none: str | None = "None for no limit",
    zero: bool = False,
) -> float | None:
    """A duration in seconds, or a noted fault.

    Args:
        name: the parameter, for the message.
        value: what was given.
        faults: where a fault is noted.
        none: what `None` means, for the message; where it is `None` itself, `None` is a fault.
        zero: whether zero is a duration here.
    """
    remedy = "write seconds, such as 5 or 0.5, or a timedelta" + (f", or {none}" if none else "")
    if value is None and none is not None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        faults.add(f"{name}={shown(value)} is no number: {remedy}")
        return None
    try:
        seconds = float(seconds)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0 or (seconds == 0 and not zero):
        least = "not negative" if zero else "positive"
        faults.add(f"{name}={shown(value)} is not a finite, {least} time: {remedy}")
        return None
    return seconds
