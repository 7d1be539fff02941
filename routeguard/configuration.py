"""`ConfigError`, how several faults become one error, and how parameters are read."""

import math
from collections.abc import Collection, Mapping
from datetime import timedelta

__all__ = ["ConfigError", "Faults", "listed", "read_seconds", "shown"]


class ConfigError(ValueError):
    """A policy, a rule or `setup` was given an invalid value.

    The message names the parameter, the value and the remedy. All faults of one policy are
    reported together, one a line.

    Attributes:
        faults: every fault found, as a tuple of texts.
    """

    def __init__(self, subject: str, *faults: str) -> None:
        self.faults: tuple[str, ...] = faults or (subject,)
        if not faults:
            text = subject
        elif len(faults) == 1:
            text = f"{subject}: {faults[0]}"
        else:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            text = f"{subject}: {len(faults)} faults{listed}"
        super().__init__(text)


class Faults:
    """Gathers the faults of one policy, so that its user mends them all in one go."""

    __slots__ = ("_found", "_subject")

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._found: list[str] = []

    def add(self, fault: str) -> None:
        """Notes one fault: what is wrong with which value, and what to write instead."""
        self._found.append(fault)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_any(self) -> None:
        """Raises one `ConfigError` with every fault noted; nothing when there is none."""
        if self._found:
            raise ConfigError(self._subject, *self._found)


def listed(name: str, given: object, example: str, faults: Faults) -> list[object]:
    """What a parameter that takes one or several was given, as a list; or a noted fault.

    Args:
        name: the parameter, for the message.
        given: a text, which counts as one, or a collection.
        example: what to write, for the message.
        faults: where a fault is noted.
    """
    if isinstance(given, str):
        return [given]
    if isinstance(given, Collection) and not isinstance(given, bytes | bytearray | Mapping):
        return list(given)
    faults.add(f"{name}={shown(given)} is no collection: write {example}")
    return []


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


def shown(value: object) -> str:
    """A value as an error message shows it: its repr, shortened where it is long."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)} characters)"
