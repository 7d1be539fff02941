"""The header fields that tell clients of a limit (draft-ietf-httpapi-ratelimit-headers-11).

Both are lists of structured fields (RFC 9651). `RateLimit-Policy` says what the limit is, and is
the same on every answer. `RateLimit` says what remains::

    RateLimit-Policy: "logins";q=10;w=60
    RateLimit: "logins";r=9;t=60
"""

import math
import re
from collections.abc import Sequence

from aiohttp import web
from multidict import CIMultiDict, istr

from routeguard.configuration import Faults, shown
from routeguard.policies.rate_limit.rates import Rate
from routeguard.policies.rate_limit.window import EXACT_UP_TO, Count
from routeguard.running.state import State, StateMark

__all__ = ["RATE_LIMIT", "RATE_LIMIT_POLICY", "Fields", "read_name"]

RATE_LIMIT = istr("RateLimit")
RATE_LIMIT_POLICY = istr("RateLimit-Policy")

MANY = EXACT_UP_TO + 1
NUMBERS = tuple(map(str, range(MANY)))
"""Numbers as text. Most that are told are among them, and looked up sooner than converted."""

NAME = re.compile(r"[ !#-\[\]-~]{1,64}")
"""Printable ASCII without the two characters that a structured field's string escapes."""


def read_name(name: object, faults: Faults) -> str | None:
    """A limit's name, or a noted fault."""
    if name is None or (isinstance(name, str) and NAME.fullmatch(name)):
        return name
    faults.add(
        f"name={shown(name)} is no name: write 1 to 64 printable ASCII characters without "
        f"quotes and backslashes, such as name='logins'"
    )
    return None


class Fields:
    """The fields of one statement."""

    __slots__ = ("_name", "_names", "_rates", "_window", "policy")

    def __init__(self, name: str | None, rates: Sequence[Rate]) -> None:
        """Fields that name each rate.

        Args:
            name: the limit's name; where there is none, a rate is named as it is written.
            rates: one or several, in the order of the counts.
        """
        if name is None:
            self._names = [str(rate) for rate in rates]
        else:
            self._names = [name] if len(rates) == 1 else [f"{name} {rate}" for rate in rates]
        self._rates = tuple(rates)
        # Of a limit with one rate, which is the usual one.
        self._name = f'"{self._names[0]}";r='
        self._window = rates[0].window
        self.policy: str = self._policy("")
        """The value of `RateLimit-Policy`."""

    def mark(self) -> StateMark:
        """What writes both fields on responses, beside those of other statements."""
        policy, name, window, ceil = self.policy, self._name, self._window, math.ceil

        def write(request: web.Request, response: web.StreamResponse, state: State) -> None:
            """Most limits have one rate. The fields are written in one piece then."""
            counted = state.counted
            while counted is not None:
                fields, counts, counted = counted
                if fields is not self:
                    continue
                headers = response.headers
                if RATE_LIMIT_POLICY in headers or len(counts) != 1:
                    self._write(headers, counts)
                    return
                ((left, seconds),) = counts
                if left < 0:
                    left = 0
                whole = ceil(seconds)
                if whole > window:  # as a place may become free a hundredth of it late, in parts
                    whole = window
                remaining = NUMBERS[left] if left < MANY else str(left)
                until = NUMBERS[whole] if whole < MANY else str(whole)
                headers[RATE_LIMIT_POLICY] = policy
                headers.add(RATE_LIMIT, f"{name}{remaining};t={until}")
                return

        return write

    def _write(self, headers: CIMultiDict[str], counts: Sequence[Count]) -> None:
        """Adds both fields to those of other statements.

        Args:
            headers: the response's.
            counts: what remains; empty where nothing was counted, so that nothing is known.
        """
        others = headers.get(RATE_LIMIT_POLICY)
        if others is None:
            headers.add(RATE_LIMIT_POLICY, self.policy)
            if counts:
                headers.add(RATE_LIMIT, self._limit(counts, ""))
        else:
            self._write_beside(others, headers, counts)

    def _limit(self, counts: Sequence[Count], suffix: str) -> str:
        """The value of `RateLimit`: what remains of each rate, and for how many seconds.

        Where a request was refused, only the rates that refused it are told of: `Retry-After`
        then names no time before the end of what is told (section 6 of the draft).

        Args:
            counts: one for each rate.
            suffix: what tells these names from equal ones of another statement.
        """
        refused = any(left < 0 for left, _ in counts)
        return ", ".join(
            [
                f'"{name}{suffix}";r={max(0, left)};t={min(math.ceil(seconds), rate.window)}'
                for name, rate, (left, seconds) in zip(
                    self._names, self._rates, counts, strict=True
                )
                if left < 0 or not refused
            ]
        )

    def _write_beside(
        self, others: str, headers: CIMultiDict[str], counts: Sequence[Count]
    ) -> None:
        number, suffix = 1, ""
        while any(f'"{name}{suffix}"' in others for name in self._names):
            number += 1
            suffix = f" ({number})"
        headers[RATE_LIMIT_POLICY] = f"{others}, {self._policy(suffix)}"
        if not counts:
            return
        limit = self._limit(counts, suffix)
        told = headers.get(RATE_LIMIT)
        if told is None or any(left < 0 for left, _ in counts):
            headers[RATE_LIMIT] = limit
        else:
            headers[RATE_LIMIT] = f"{told}, {limit}"

    def _policy(self, suffix: str) -> str:
        return ", ".join(
            f'"{name}{suffix}";q={rate.limit};w={rate.window}'
            for name, rate in zip(self._names, self._rates, strict=True)
        )
