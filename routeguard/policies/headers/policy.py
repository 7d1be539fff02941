"""`headers`: response headers, written on whatever leaves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import hdrs, web
from aiohttp.http import SERVER_SOFTWARE
from multidict import CIMultiDict, istr

from routeguard.asking import Stated
from routeguard.configuration import Faults, shown
from routeguard.finding import Finding
from routeguard.http import vary_by
from routeguard.policies.headers.fields import read_fields
from routeguard.policy import Bound, Place, Policy
from routeguard.running.state import State, StateMark

__all__ = ["Writer", "headers"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class headers(Policy):
    """Writes response headers on whatever leaves.

    That is: what handlers return, streams, files, errors, refusals, preflight answers and
    aiohttp's own 500. A preflight is answered before a route is chosen, so that it carries what
    rules and fallbacks state.

    Several statements add up: for each header name the nearest one decides. Two in one rule, or
    among the fallbacks, must name different headers.

    Args:
        values: header names and values. `None` removes the header, whoever has set it; for
            `Server`, which aiohttp writes itself, too. `Vary` (RFC 9110, section 12.5.5) is
            added to what is there.
        replace: whether a header that the handler has set is replaced. Default: it stays.
            `Server` and `Date` of aiohttp's own are not the handler's, and are replaced.

    Raises:
        ConfigError: a name or value that cannot be written: control characters; headers that
            frame the message (`Content-Length`, `Transfer-Encoding`, `Connection`, RFC 9110,
            section 7.6.1); `Access-Control-*`, which `cors` writes; `Set-Cookie` with a value;
            `Vary` with `None`.
    """

    adds_up: ClassVar[bool] = True
    distinct: ClassVar[bool] = False
    finding_codes: ClassVar[Mapping[str, str]] = {"RG701": "HSTS without https"}

    values: tuple[tuple[str, str | None], ...]
    replace: bool

    def __init__(self, values: Mapping[str, str | None], *, replace: bool = False) -> None:
        faults = Faults("headers(...)")
        fields = read_fields(values, faults)
        if not isinstance(replace, bool):
            faults.add(f"replace={shown(replace)} is no bool: write replace=True")
        faults.raise_any()
        object.__setattr__(self, "values", fields)
        object.__setattr__(self, "replace", replace)

    def bind(self, place: Place) -> "BoundHeaders":
        """What writes the headers."""
        return BoundHeaders((self,))

    def conflict(self, other: Policy) -> str | None:
        """Names the headers that both name, but for `Vary`, which is added to."""
        if not isinstance(other, headers):
            return None
        named = {name.lower() for name, _ in other.values} - {"vary"}
        both = sorted(name for name, _ in self.values if name.lower() in named)
        return f"both name {', '.join(both)}: name each header once" if both else None

    def findings(self, stated: Stated) -> Iterator[Finding]:
        """RG701: `Strict-Transport-Security` is written over plain HTTP, too (RFC 6797, 7.2)."""
        if any(
            name.lower() == "strict-transport-security" and value is not None
            for name, value in self.values
        ):
            yield Finding(
                "RG701",
                "warning",
                stated.place,
                "headers writes Strict-Transport-Security on answers over plain HTTP, too",
                "state https(hsts=63072000), which writes it over HTTPS only",
            )

    def __repr__(self) -> str:
        replaced = ", replace=True" if self.replace else ""
        return f"headers({dict(self.values)!r}{replaced})"


class BoundHeaders(Bound):
    """The statements of `headers` that apply together, in one run of the application."""

    __slots__ = ("_statements", "_writer")

    def __init__(self, statements: "tuple[headers, ...]") -> None:
        """Takes the statements nearest first."""
        self._statements = statements
        self._writer = Writer(statements)

    def join(self, farther: Sequence[Bound]) -> "BoundHeaders":
        """All statements as one, so that for each header name the nearest decides."""
        others = [one for one in farther if isinstance(one, BoundHeaders)]
        more = (statement for one in others for statement in one._statements)
        return BoundHeaders((*self._statements, *more))

    def marks(self) -> StateMark:
        """Writes the headers of responses."""
        write = self._writer.write

        def mark(request: web.Request, response: web.StreamResponse, state: State) -> None:
            write(response.headers)

        return mark


class Writer:
    """Writes what all the statements for a route come to."""

    __slots__ = ("_always", "_removed", "_stamped", "_unless_set", "_vary")

    def __init__(self, statements: Iterable[headers]) -> None:
        """Takes the statements that apply, nearest first."""
        self._always: list[tuple[istr, str]] = []
        self._removed: list[istr] = []
        self._stamped: list[tuple[istr, str]] = []
        self._unless_set: list[tuple[istr, str]] = []
        self._vary: list[str] = []
        decided: set[str] = set()
        for statement in statements:
            for name, value in statement.values:
                if name.lower() == "vary":
                    self._vary += [] if value is None else _listed(value)
                elif name.lower() not in decided:
                    decided.add(name.lower())
                    self._decide(istr(name), value, replace=statement.replace)

    def _decide(self, name: istr, value: str | None, *, replace: bool) -> None:
        if value is None:
            self._removed.append(name)
        elif replace or name == hdrs.DATE:
            self._always.append((name, value))
        elif name == hdrs.SERVER:
            self._stamped.append((name, value))
        else:
            self._unless_set.append((name, value))

    def write(self, written: "CIMultiDict[str]") -> None:
        """Writes on the headers of a response that is about to leave."""
        for name, value in self._unless_set:
            if name not in written:
                written[name] = value
        for name, value in self._always:
            written[name] = value
        for name, value in self._stamped:
            # aiohttp's own has been put there by now, unless the handler has set another.
            if written.get(name, SERVER_SOFTWARE) == SERVER_SOFTWARE:
                written[name] = value
        for name in self._removed:
            written.popall(name, None)
        if self._vary:
            vary_by(written, *self._vary)


def _listed(value: str) -> list[str]:
    return [name for part in value.split(",") if (name := part.strip())]
