"""What one quantity of a claim came to over the runs of a group, against its bound."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_claims.measure import Judgement, Measurement
from pytest_claims.results import Record
from pytest_claims.text import format_number
from pytest_claims.universality.room import as_float, bound_of, room


@dataclass(frozen=True)
class Point:
    """One comparison on one run. `bound` is None where it is no number; `room` where there is none, see `room`."""

    run: str
    value: float
    comparison: Judgement
    bound: float | None
    room: float | None


@dataclass(frozen=True)
class Spread:
    """One comparison of one measurement, over the runs on which it was made.

    which   counted from 0, where a measurement is compared more than once by the same operator
    points  by run, in the order of the runs
    """

    name: str
    unit: str
    operator: str
    which: int
    points: tuple[Point, ...]

    @property
    def values(self) -> list[float]:
        return sorted(point.value for point in self.points)

    @property
    def median(self) -> float:
        """Of an even number the mean of the middle two; the lower one, if they have no mean."""
        low, high = statistics.median_low(self.values), statistics.median_high(self.values)
        if low == high:
            return low
        mean = (as_float(low) + as_float(high)) / 2
        return mean if mean == mean else low

    @property
    def tightest(self) -> Point:
        """The run of the least room, of equal ones that of the least slack; where there is no room it counts as 1.

        It need not be the run of the least slack: where each run has a bound of its own, slack depends on its size.
        """
        return min(self.points, key=lambda point: (_room_or(point, 1.0), point.comparison.slack))

    @property
    def n_broken(self) -> int:
        return sum(not point.comparison.holds for point in self.points)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Smallest and largest; None if one of them is no number."""
        numbers = [point.bound for point in self.points if point.bound is not None]
        return (min(numbers), max(numbers)) if len(numbers) == len(self.points) else None

    @property
    def bound_text(self) -> str:
        """The bound, or from which to which it goes over the runs."""
        texts = list(dict.fromkeys(point.comparison.bound for point in self.points))
        if len(texts) == 1:
            return f"{self.operator} {texts[0]}"
        if self.bounds is None:
            return f"{self.operator} a bound of each run's own"
        return f"{self.operator} {format_number(self.bounds[0])} .. {format_number(self.bounds[1])}"

    @property
    def values_text(self) -> str:
        """Smallest, median and largest value."""
        low, *_, high = [format_number(value) for value in (self.values[0], self.values[-1])]
        if low == high:
            return f"{low} {self.unit}".rstrip()
        return f"{low} .. {format_number(self.median)} .. {high} {self.unit}".rstrip()


def spreads(records: Iterable[tuple[str, Record]]) -> tuple[Spread, ...]:
    """Every quantity that a claim measured on any run, in the order of measuring; a run need not have all of them."""
    made: dict[tuple[str, str, str, int], list[tuple[str, Measurement, Judgement]]] = {}
    for run, record in records:
        for measurement, comparison, which in numbered(record):
            key = (measurement.name, measurement.unit, comparison.operator, which)
            made.setdefault(key, []).append((run, measurement, comparison))
    return tuple(Spread(*key, _points(measured)) for key, measured in made.items())


def numbered(record: Record) -> Iterator[tuple[Measurement, Judgement, int]]:
    """Every comparison of a record, and how many by the same operator its measurement went through before it."""
    for measurement in record.measurements:
        times: Counter[str] = Counter()
        for comparison in measurement.comparisons:
            yield measurement, comparison, times[comparison.operator]
            times[comparison.operator] += 1


def tightest(spreads: Sequence[Spread]) -> Spread | None:
    """The quantity of a claim that comes closest to its bound on any run, or breaks it."""
    return min(spreads, key=lambda spread: _room_or(spread.tightest, 1.0), default=None)


def least_room(spreads: Iterable[Spread]) -> dict[str, float]:
    """For each run, the room that the tightest of all comparisons keeps; a run is missing where none has any."""
    least: dict[str, float] = {}
    for spread in spreads:
        for point in spread.points:
            if point.room is not None:
                least[point.run] = min(point.room, least.get(point.run, point.room))
    return least


def _points(measured: Sequence[tuple[str, Measurement, Judgement]]) -> tuple[Point, ...]:
    largest = max(abs(measurement.value) for _, measurement, _ in measured)
    return tuple(
        Point(
            run,
            measurement.value,
            comparison,
            bound_of(measurement.value, comparison),
            room(measurement.value, comparison, largest),
        )
        for run, measurement, comparison in measured
    )


def _room_or(point: Point, otherwise: float) -> float:
    return otherwise if point.room is None else point.room
