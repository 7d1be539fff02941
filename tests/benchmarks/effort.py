"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: in about twenty minutes, or with ``QUICK`` in fewer."""

    processes: int = 9
    rounds: int = 40
    growth_processes: int = 7
    shown_processes: int = 2
    """For the lines of growth that the budget does not judge."""
    growth_rounds: int = 25
    sizes: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)
    crowd: int = 10_000
    flood: int = 100_000
    requests: int = 1_000_000
    routes: int = 10_000
    flight: int = 500
    socket_seconds: int = 2
    socket_rounds: int = 3


QUICK = Effort(
    processes=2,
    rounds=50,
    growth_processes=1,
    shown_processes=1,
    growth_rounds=25,
    sizes=(1, 100, 10_000),
    crowd=2_000,
    flood=20_000,
    requests=50_000,
    flight=100,
    socket_seconds=1,
    socket_rounds=2,
)
