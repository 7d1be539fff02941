"""Rates as users write them: `"10/second; 1000/hour"`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from routeguard.configuration import Faults, shown

__all__ = ["Rate", "read_rates"]

UNITS: dict[str, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""Seconds of each unit."""

LARGEST = 999_999_999_999_999
"""The largest integer of a structured field (RFC 9651, section 3.3.1)."""

LONGEST = 366 * UNITS["day"]
"""Seconds of the longest window."""

EXAMPLE = "write '10/second', '100/5 minutes', or several as '10/second; 1000/hour'"

RATE = re.compile(r"(\d+)\s*/\s*(?:(\d+)\s*)?([a-z]+)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds.

    Attributes:
        limit: how many requests one window holds.
        window: the length of the window, in whole seconds.
    """

    limit: int
    window: int

    def __str__(self) -> str:
        unit, seconds = next(
            (name, size) for name, size in reversed(UNITS.items()) if self.window % size == 0
        )
        times = self.window // seconds
        return f"{self.limit}/{unit}" if times == 1 else f"{self.limit}/{times} {unit}s"


def read_rates(rates: object, faults: Faults) -> tuple[Rate, ...]:
    """The rates that a text states, shortest window first; what is wrong is noted as faults.

    Args:
        rates: one or several of `count/unit` or `count/number units`, separated by semicolons.
            A unit is second, minute, hour or day.
        faults: where faults are noted.
    """
    if not isinstance(rates, str):
        faults.add(f"rates={shown(rates)} is no text: {EXAMPLE}")
        return ()
    found = [_read_rate(part.strip(), faults) for part in rates.split(";")]
    read = sorted((rate for rate in found if rate is not None), key=lambda rate: rate.window)
    if len(read) == len(found):
        _find_pointless(read, faults)
    return tuple(read)


def _read_rate(text: str, faults: Faults) -> Rate | None:
    if not text:
        faults.add(f"rates: a rate is missing: {EXAMPLE}")
        return None
    matched = RATE.fullmatch(text)
    if matched is None:
        faults.add(f"rates: {shown(text)} is no rate: {EXAMPLE}")
        return None
    count, times, unit = matched.groups()
    seconds = UNITS.get(unit.lower().removesuffix("s"))
    if seconds is None:
        known = ", ".join(UNITS)
        faults.add(f"rates: {shown(text)}: the unit {unit!r} is none of {known}: {EXAMPLE}")
        return None
    limit, window = _integer(count), seconds * _integer(times or "1")
    if not limit:
        faults.add(f"rates: {shown(text)} lets nobody through: write at least 1")
    elif not window:
        faults.add(f"rates: {shown(text)} has a window of no length: {EXAMPLE}")
    elif limit > LARGEST:
        faults.add(f"rates: {shown(text)} has a count of more than 15 digits: leave the limit out")
    elif window > LONGEST:
        faults.add(f"rates: {shown(text)} has a window of more than 366 days: write a shorter one")
    else:
        return Rate(limit, window)
    return None


def _integer(digits: str) -> int:
    # Python refuses to convert thousands of digits; what is beyond the largest is a fault anyway.
    return int(digits) if len(digits) <= 20 else LARGEST + 1


def _find_pointless(rates: Sequence[Rate], faults: Faults) -> None:
    """A rate that is never reached, since another is stricter, is not what its user meant."""
    for position, shorter in enumerate(rates):
        for longer in rates[position + 1 :]:
            if shorter.window == longer.window:
                faults.add(f"rates: {shorter} and {longer} have one window: keep the lower")
            elif longer.limit <= shorter.limit:
                faults.add(f"rates: {shorter} is never reached beside {longer}: leave it out")
            elif longer.limit >= shorter.limit * -(-longer.window // shorter.window):
                faults.add(f"rates: {longer} is never reached beside {shorter}: leave it out")
