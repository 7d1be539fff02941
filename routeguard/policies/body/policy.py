"""`body`: how large the body of a request may be, and how long it may take to arrive."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import ClassVar, Final

from routeguard.asking import Stated
from routeguard.configuration import ConfigError, Faults, read_seconds, shown
from routeguard.finding import Finding
from routeguard.policies.body import telling
from routeguard.policies.body.serving import BoundBody
from routeguard.policy import Place, Policy

__all__ = ["body"]


class _Application(Enum):
    """Stands for the application's own limit, also in a copy."""

    LIMIT = "…"

    def __repr__(self) -> str:
        return "…"


APPLICATION: Final = _Application.LIMIT


@dataclass(frozen=True, slots=True, init=False, repr=False)
class body(Policy):
    """Bounds the body of a request, in bytes and in time.

    The size takes the place of the application's `client_max_size`, for every way of reading:
    `read`, `text`, `json`, `post`, `multipart` and its parts, `content`. Too large: 413
    (`HTTPRequestEntityTooLarge`; RFC 9110, section 15.5.14), before the handler runs where
    `Content-Length` says so, else where it reads past the limit. Too slow: 408 (`BodyTimeout`;
    section 15.5.9), raised where the handler reads, and the connection closes. Only the time
    counts in which somebody waits for the body: a slow handler costs the client nothing.

    What the client does wrong, a corrupt encoding (400) and a hang-up included, is answered as
    what it is, also where the handler made an error of its own of it, and is logged at INFO on
    `routeguard.body`. An `HTTPException` that the handler raises itself stays. Requests that match
    no route are not judged.

    Args:
        max_size: bytes (int), of the body as the handler reads it, unpacked; `None` for no limit.
            Default: the application's `client_max_size` stays, as aiohttp applies it.
        total: seconds (int, float or `timedelta`) that all waits for more of the body may last
            together. Default: no limit.
        idle: seconds that one wait may last without a byte from the client. Default: no limit.

    Raises:
        ConfigError: a size that is no whole number of bytes, a time that is none, or nothing said
            at all.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {"RG604": "a body limit above the proxy's"}

    max_size: int | _Application | None
    total: float | None
    idle: float | None

    def __init__(
        self,
        max_size: int | _Application | None = APPLICATION,
        *,
        total: float | timedelta | None = None,
        idle: float | timedelta | None = None,
    ) -> None:
        if callable(max_size):
            name = getattr(max_size, "__qualname__", repr(max_size))
            raise ConfigError(f"@body without a limit above {name}: write @body(1_000_000)")
        faults = Faults("body(...)")
        object.__setattr__(self, "max_size", _read_size(max_size, faults))
        object.__setattr__(self, "total", read_seconds("total", total, faults))
        object.__setattr__(self, "idle", read_seconds("idle", idle, faults))
        if self.max_size is APPLICATION and self.total is self.idle is None and not faults:
            faults.add(
                "it says nothing: write body(1_000_000) for a limit in bytes, body(None) for none, "
                "or body(idle=10)"
            )
        faults.raise_any()

    @property
    def limit(self) -> int | None:
        """The most bytes that may come; `None` where the application's limit stays."""
        if isinstance(self.max_size, _Application):
            return None
        return sys.maxsize if self.max_size is None else self.max_size

    def bind(self, place: Place) -> BoundBody:
        """The bounds, with the place where they are stated, for the log."""
        return BoundBody(self.limit, self.idle, self.total, place)

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about it."""
        return telling.findings(self, stated)

    def __repr__(self) -> str:
        given = [] if self.max_size is APPLICATION else [_digits(self.max_size)]
        given += [] if self.total is None else [f"total={self.total:.12g}"]
        given += [] if self.idle is None else [f"idle={self.idle:.12g}"]
        return f"body({', '.join(given)})"


def _digits(size: object) -> str:
    return f"{size:_}" if isinstance(size, int) else repr(size)


def _read_size(size: object, faults: Faults) -> int | _Application | None:
    if size is None or isinstance(size, _Application):
        return size
    if isinstance(size, bool) or not isinstance(size, int):
        faults.add(
            f"max_size={shown(size)} is no number of bytes: write an int, such as 1_000_000, or "
            f"None for no limit"
        )
    elif size < 0:
        faults.add(
            f"max_size={shown(size)} is negative: write a number of bytes, or None for no limit"
        )
    else:
        return size
    return None
