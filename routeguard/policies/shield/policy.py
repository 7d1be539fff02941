"""`shield`: a handler that runs to its end, whatever happens to the connection."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, TypeVar, overload

from routeguard.asking import Stated
from routeguard.configuration import ConfigError, Faults, listed, read_seconds, shown
from routeguard.finding import Finding
from routeguard.policies.shield import telling
from routeguard.policies.shield.serving import BoundShield
from routeguard.policies.shield.work import ShieldedWork
from routeguard.policy import Place, Policy
from routeguard.running.deadlines import Bounds

__all__ = ["Shield", "shield"]

H = TypeVar("H", bound=Callable[..., object])


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Shield(Policy):
    """The handler runs to its end, whatever happens to the connection.

    Write `@shield`, or `@shield(methods=…, limit=…)`. The handler runs in a task of its own that
    the application owns: it is counted, and waited for at shutdown before any cleanup of the
    application's own runs, for at most the `drain` seconds of `setup`. A disconnect or a timeout
    ends the waiting, not the work; what the work sends after that never reaches the connection.
    A body that had fully arrived can still be read. Work that fails with nobody left to tell is
    logged on `routeguard.shield`. A WebSocket handshake is shielded only by a decorator of its
    own, never by a rule or fallback. How many run at once is not limited; `concurrency_limit`
    limits it.

    Args:
        methods: shield only requests with these methods, in any case. Default: all.
        limit: seconds (int, float or `timedelta`) after which the work is given up, from its
            start; a client that still waits gets `HandlerTimeout`. Default: no limit.

    Raises:
        ConfigError: `methods` names something that is no HTTP method, or `limit` is no time.
    """

    finding_codes: ClassVar[Mapping[str, str]] = {"RG301": "a shield on routes that only read"}

    methods: frozenset[str] | None
    limit: float | None

    def __init__(
        self,
        *,
        methods: str | Collection[str] | None = None,
        limit: float | timedelta | None = None,
    ) -> None:
        faults = Faults("shield(...)")
        object.__setattr__(self, "methods", _read_methods(methods, faults))
        object.__setattr__(self, "limit", read_seconds("limit", limit, faults))
        faults.raise_any()

    @overload
    def __call__(
        self,
        *,
        methods: str | Collection[str] | None = None,
        limit: float | timedelta | None = None,
    ) -> "Shield": ...

    @overload
    def __call__(self, handler: H) -> H: ...

    def __call__(
        self,
        handler: H | None = None,
        *,
        methods: str | Collection[str] | None = None,
        limit: float | timedelta | None = None,
    ) -> "H | Shield":
        """Decorates a handler; or, given keywords, makes a shield with options.

        Args:
            handler: the handler to decorate.
            methods: shield only requests with these methods; all, by default.
            limit: seconds (int, float or `timedelta`) after which shielded work is given up,
                from the start of the work. A client that still waits gets `HandlerTimeout`.

        Raises:
            ConfigError: a method that is none, a limit that is no time, or something that is no
                handler.
        """
        if handler is None:
            if self is not shield:
                raise ConfigError(f"{self!r} has its options already: write shield(...) once")
            return Shield(methods=methods, limit=limit)
        if methods is not None or limit is not None:
            raise ConfigError("shield takes a handler or options: write @shield(limit=30) above it")
        return Policy.__call__(self, handler)

    def bind(self, place: Place) -> BoundShield:
        """The shield with the work of one run of the application."""
        running = place.running
        limit = None if self.limit is None else running.clocks.of("limit", self.limit)
        return BoundShield(
            running.service(ShieldedWork),
            self.methods,
            None if limit is None else Bounds(total=limit),
            place,
            # A rule or fallback is meant for requests, not for connections without an end.
            websockets=place.kind not in ("rule", "fallback"),
        )

    def covers(self, method: str) -> bool:
        """Whether requests with this method are shielded."""
        return self.methods is None or method in self.methods

    def names_kind(self) -> bool:
        return self is shield

    def findings(self, stated: Stated) -> Iterable[Finding]:
        """What looks wrong about it."""
        return telling.findings(self, stated)

    def __repr__(self) -> str:
        given = [] if self.methods is None else [f"methods={sorted(self.methods)!r}"]
        given += [] if self.limit is None else [f"limit={self.limit:.12g}"]
        return f"shield({', '.join(given)})" if given else "shield"


def _read_methods(methods: str | Collection[str] | None, faults: Faults) -> frozenset[str] | None:
    if methods is None:
        return None
    names = listed("methods", methods, "methods=['POST', 'PUT']", faults)
    if not names and not faults:
        faults.add("methods is empty, which shields nothing: leave it out for all methods")
    for name in names:
        if not isinstance(name, str) or not name.isalpha() or not name.isascii():
            faults.add(f"methods: {shown(name)} is no HTTP method: write methods=['POST']")
    return frozenset(name.upper() for name in names if isinstance(name, str))


shield: Shield = Shield()
"""The handler runs to its end whatever happens to the connection; see `Shield`."""
