"""The middlewares that stand in front of the dispatcher, and that they stand there."""

import inspect
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from routeguard.configuration import ConfigError, Faults, shown

__all__ = ["Outside", "check_outside"]

OPENTELEMETRY = "opentelemetry.instrumentation.aiohttp_server"


def check_outside(outside: object, faults: Faults) -> tuple[Middleware, ...]:
    """The middlewares that `setup` was given for `outside`, or noted faults."""
    example = "outside=[count_requests]"
    if not isinstance(outside, Sequence) or isinstance(outside, str | bytes | bytearray):
        faults.add(f"outside={shown(outside)} is no list of middlewares: write {example}")
        return ()
    for one in outside:
        if isinstance(one, type) or not callable(one):
            faults.add(f"outside: {shown(one)} is no middleware: write {example}")
        elif getattr(one, "__middleware_version__", None) != 1 and _takes_request(one):
            faults.add(
                f"outside: {_name(one)} is not marked as a middleware, and aiohttp would call it "
                f"as a factory of the old style: write @web.middleware above it"
            )
    if any(one in outside[:position] for position, one in enumerate(outside)):
        faults.add(f"outside={shown(outside)} names a middleware twice: write it once")
    return tuple(outside)


class Outside:
    """The middlewares of one application that stand in front of its dispatcher.

    aiohttp runs an application's middlewares in the order of a list that anyone may change until
    it is frozen. So the order is made when `setup` is called, made again when the application is
    mounted or starts, and looked at once more when nobody can change it any longer.
    """

    __slots__ = ("_app", "_dispatcher", "_named")

    def __init__(
        self, app: web.Application, dispatcher: Middleware, named: tuple[Middleware, ...]
    ) -> None:
        self._app = app
        self._dispatcher = dispatcher
        self._named = named
        # What is there already was listed before `setup`, which makes the dispatcher the first.
        app.middlewares.insert(0, dispatcher)
        self.arrange()

    @property
    def _front(self) -> list[Middleware]:
        """OpenTelemetry's, which its users hold no handle on; what was named; the dispatcher."""
        tracing = [
            one for one in self._app.middlewares if _is_tracing(one) and one not in self._named
        ]
        return [*dict.fromkeys(tracing), *self._named, self._dispatcher]

    def arrange(self) -> None:
        """Puts what stands outside in front of the dispatcher, once and in order.

        What others have put in front of all that stays there. What they have put among it by a
        position was meant to be behind the dispatcher, which `setup` makes the first.

        Raises:
            ConfigError: something must be moved, and the list is frozen.
        """
        front = self._front
        listed = list(self._app.middlewares)
        first = min(listed.index(one) for one in front if one in listed)
        ahead = [one for one in listed[:first] if one not in front]
        behind = [one for one in listed[first:] if one not in front]
        wanted = [*ahead, *front, *behind]
        if wanted == listed:
            return
        if self._app.middlewares.frozen:
            moved = next(one for at, one in enumerate(listed) if wanted[at : at + 1] != [one])
            raise ConfigError(
                f"setup(..., outside=...): {_name(moved)} was put into the application's "
                f"middlewares when it was too late to put it in its place: put it there before "
                f"the application is mounted or served"
            )
        self._app.middlewares[:] = wanted


def _is_tracing(middleware: object) -> bool:
    return getattr(middleware, "__module__", None) == OPENTELEMETRY


def _takes_request(middleware: object) -> bool:
    """Whether something takes a request, and not an application as those of the old style do."""
    try:
        parameters = list(inspect.signature(middleware).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return parameters[:1] != ["app"]


def _name(middleware: object) -> str:
    return getattr(middleware, "__qualname__", None) or shown(middleware)
