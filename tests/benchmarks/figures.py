"""Figures: what one process measured, and what several processes agree on."""

import operator
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and how far the values lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Median, smallest and largest."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender in one process: medians over its batches, in microseconds a request.

    ``overhead`` is the median of differences, each taken from the bare application's batch of
    the same round, so that a machine that slows down slows down both.
    """

    cost: float
    overhead: float
    lower_quartile: float
    upper_quartile: float

    @classmethod
    def of(cls, costs: Sequence[float], baseline: Sequence[float]) -> Self:
        """Pair the batches of a contender with the baseline's, round by round."""
        differences = [cost - base for cost, base in zip(costs, baseline, strict=True)]
        lower, middle, upper = statistics.quantiles(differences, n=4, method="inclusive")
        return cls(statistics.median(costs), middle, lower, upper)

    def at_pace(self, factor: float) -> Self:
        """The same on a processor that takes ``factor`` times as long for everything."""
        return replace(
            self, **{field.name: getattr(self, field.name) * factor for field in fields(self)}
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One contender over all processes."""

    cost: Spread
    overhead: Spread
    within: float
    """The middle half of the rounds of one process spans this much, in the median process."""
    overheads: tuple[float, ...]
    """Process by process, so that ratios can be taken where both sides were measured."""
    costs: tuple[float, ...]
    """The same, of the whole request."""

    @classmethod
    def merge(cls, samples: Sequence[Sample]) -> Self:
        """What the processes measured, one sample each."""
        costs = tuple(sample.cost for sample in samples)
        overheads = tuple(sample.overhead for sample in samples)
        return cls(
            Spread.of(costs),
            Spread.of(overheads),
            statistics.median(sample.upper_quartile - sample.lower_quartile for sample in samples),
            overheads,
            costs,
        )

    def ratio(self, reference: "Figure") -> Spread:
        """Overhead over another's overhead, process by process."""
        return _quotients(self.overheads, reference.overheads)

    def ratio_of_costs(self, reference: "Figure") -> Spread:
        """The whole request over another's whole request, process by process."""
        return _quotients(self.costs, reference.costs)

    def above(self, reference: "Figure") -> Spread:
        """Overhead less another's overhead, in microseconds, process by process."""
        return Spread.of(list(map(operator.sub, self.overheads, reference.overheads)))

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded to what means anything."""
        data: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                data[name] = {key: round(number, 3) for key, number in value.items()}
            elif isinstance(value, tuple):
                data[name] = [round(number, 3) for number in value]
            else:
                data[name] = round(value, 3)
        return data


def _quotients(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    pairs = zip(ours, theirs, strict=True)
    return Spread.of([one / other if other else float("inf") for one, other in pairs])
