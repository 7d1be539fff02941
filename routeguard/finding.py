"""What `check` finds: the value that kinds of policy and checks across kinds make."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["SEVERITIES", "Finding", "Severity", "few"]

Severity = Literal["error", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The severities, the gravest first."""

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` found.

    Attributes:
        code: its stable code, such as `"RG101"`. Codes that begin with `RG` are the library's.
        severity: `"error"`, `"warning"` or `"info"`.
        place: where: a rule, a fallback, or a route.
        message: what is wrong, and what comes of it.
        remedy: what to write instead.
        places: every place, where the same was found at several; else `place` alone.
    """

    code: str
    severity: Severity
    place: str
    message: str
    remedy: str
    places: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.places:
            object.__setattr__(self, "places", (self.place,))

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.place}: {self.message}; {self.remedy}"


def few(names: Iterable[str]) -> str:
    """Some names, the first three of them written out."""
    listed = list(dict.fromkeys(names))
    more = len(listed) - SHOWN
    return ", ".join(listed[:SHOWN]) + (f" and {more} more" if more > 0 else "")
