"""`until_shutdown`: streams and WebSockets that end when the application shuts down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from routeguard.asking import Asked
from routeguard.configuration import ConfigError, Faults, read_seconds, shown
from routeguard.policies.until_shutdown.ending import Endings
from routeguard.policies.until_shutdown.serving import BoundUntilShutdown
from routeguard.policy import Place, Policy

__all__ = ["until_shutdown"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class until_shutdown(Policy):
    """Streams and WebSockets that end when the application shuts down.

    For responses that have no end of their own: aiohttp waits for them for twice its
    `shutdown_timeout`. `grace` seconds after the shutdown has begun, a WebSocket is closed with
    code 1001 (RFC 6455, section 7.4.1: going away); the handler of a stream is cancelled, and its
    `finally` blocks have a second. The stream then ends with its terminating chunk (RFC 9112,
    section 7.1) where any prefix of it is whole, else it is cut so that the client can tell.
    A stream that starts later ends at once. All this is done before any cleanup runs.

    Responses that have not started, shielded work, and files that aiohttp sends are not touched.

    Args:
        grace: seconds (int, float or `timedelta`) from the beginning of the shutdown. It cannot
            prolong the shutdown: where aiohttp's own patience ends first, so do the streams.
            Default: 0.
        clean: whether a stream that ends here is whole as it is. `True`: it ends in good order;
            `False`: it is cut. Default, `None`: whole where it is `text/event-stream`.

    Raises:
        ConfigError: `grace` is no time, or `clean` is neither `True`, `False` nor `None`.
    """

    grace: float
    clean: bool | None

    def __init__(self, grace: float | timedelta = 0.0, *, clean: bool | None = None) -> None:
        if callable(grace):
            raise _bare(grace)
        faults = Faults(f"until_shutdown({shown(grace)})")
        seconds = read_seconds("grace", grace, faults, none=None, zero=True)
        if clean is not None and not isinstance(clean, bool):
            faults.add(
                f"clean={shown(clean)} is neither True (any prefix of the stream is whole), False "
                f"(it is cut) nor None (whole where it is text/event-stream)"
            )
        faults.raise_any()
        object.__setattr__(self, "grace", seconds or 0.0)
        object.__setattr__(self, "clean", clean)

    def bind(self, place: Place) -> BoundUntilShutdown:
        """The policy with what is open in one run of the application."""
        endings = place.running.service(Endings)
        return BoundUntilShutdown(endings.group(self.grace, self.clean), place)

    def explain(self, asked: Asked) -> Iterator[tuple[str, str]]:
        when = "at once" if self.grace == 0 else f"after {self.grace:.12g} s"
        how = {
            None: "whole where it is text/event-stream, else cut",
            True: "whole as it is",
            False: "cut",
        }[self.clean]
        yield "shutdown", f"a WebSocket is closed, a stream ended, {when}; a stream is {how}"

    def __repr__(self) -> str:
        given = [] if self.grace == 0 else [f"{self.grace:.12g}"]
        given += [] if self.clean is None else [f"clean={self.clean}"]
        return f"until_shutdown({', '.join(given)})"


def _bare(handler: Callable[..., object]) -> ConfigError:
    name = getattr(handler, "__qualname__", repr(handler))
    return ConfigError(f"@until_shutdown without parentheses above {name}: write @until_shutdown()")
