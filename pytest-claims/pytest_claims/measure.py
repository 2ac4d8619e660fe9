"""Numbers that remember what they were compared with.

`measure(name, value)` returns a number. Comparing it records the bound, whether it was kept and by
how much, and then gives the answer that the plain number would have given. On a control an assert
statement of the claim gets "true" for an answer all the same, so that every assertion is evaluated.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

from pytest_claims.asserts import Place, place_of
from pytest_claims.text import format_number


class MeasurementError(Exception):
    """A measurement that cannot be judged, or was not."""


@dataclass
class Judgement:
    """One comparison of a value with a bound. `slack` is the distance kept from the bound, negative if it is broken."""

    operator: str
    bound: str
    holds: bool
    slack: float
    line: int = 0
    """Line of the source file on which it was made."""
    as_published: bool = False
    """It was the comparison with the figure that was published."""


@dataclass
class Measurement:
    """A named value and every comparison it went through.

    interval  the confidence interval of a value that was sampled: its lower and its upper end
    """

    name: str
    value: float
    unit: str = ""
    published: float | None = None
    comparisons: list[Judgement] = field(default_factory=list)
    used_as_bound: bool = False
    times: int = 1
    interval: tuple[float, float] | None = None

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Measurement:
        """The inverse of `dataclasses.asdict`."""
        interval = None if plain["interval"] is None else tuple(plain["interval"])
        judgements = [Judgement(**judgement) for judgement in plain["comparisons"]]
        return cls(**{**plain, "interval": interval, "comparisons": judgements})

    @property
    def judged(self) -> bool:
        return bool(self.comparisons) or self.used_as_bound

    @property
    def lacks_comparison(self) -> bool:
        """Whether a published figure is shown beside it with which it was not compared."""
        return self.published is not None and not any(comparison.as_published for comparison in self.comparisons)

    @property
    def holds(self) -> bool:
        return all(comparison.holds for comparison in self.comparisons)

    @property
    def slack(self) -> float:
        return min((comparison.slack for comparison in self.comparisons), default=math.inf)


class Recorder:
    """The fixture `measure`: hands out numbers and keeps what became of them.

    path     the file of the claim: comparisons in its assert statements are the claim's assertions
    lenient  as on a control: a comparison that an assert statement requires evaluates to true even if it is false
    """

    def __init__(self, path: Path | None = None, *, lenient: bool = False) -> None:
        self._measurements: list[Measurement] = []
        self._path = path
        self._lenient = lenient
        self._assertions: dict[str, bool] = {}
        self.refuting: tuple[Measurement, Judgement] | None = None
        """The first comparison that came out false and was answered with "true"."""

    def __call__(
        self,
        name: str,
        value: Any,
        unit: str = "",
        published: float | None = None,
        interval: tuple[Any, Any] | None = None,
    ) -> MeasuredFloat | MeasuredInt:
        """Record `value` under `name`, with the figure that was published for it if there is one.

        interval: the confidence interval of a value that was sampled. `<` and `<=` compare its upper end, `>` and
        `>=` its lower one: the end that is nearer to breaking the bound.

        Takes Python, numpy or torch numbers of one element. Raises MeasurementError if one is not a
        number, NaN included: no comparison with NaN says anything, not even one that comes out true.
        """
        if not isinstance(name, str) or not name:
            raise MeasurementError(f"a measurement needs a name, as in measure('gap', gap); got {name!r}")
        number = _plain_number(name, value)
        figure = None if published is None else float(published)
        measurement = Measurement(str(name), number, str(unit), figure)
        measurement.interval = _plain_interval(name, number, interval)
        self._measurements.append(measurement)
        if isinstance(number, int):
            return MeasuredInt._of(number, measurement, self)
        return MeasuredFloat._of(number, measurement, self)

    def answer(self, measurement: Measurement, comparison: Judgement, frame: FrameType) -> bool:
        """Record a comparison that `frame` makes, and return what it evaluates to."""
        measurement.comparisons.append(comparison)
        place = Place.OUTSIDE if self._path is None else place_of(self._path, frame)
        if place is Place.OUTSIDE:
            return comparison.holds
        assertion = f"{measurement.name} {comparison.operator}"
        self._assertions[assertion] = self._assertions.get(assertion, False) or not comparison.holds
        if comparison.holds or place is Place.OPTIONAL or not self._lenient:
            return comparison.holds
        self.refuting = self.refuting or (measurement, comparison)
        return True

    @property
    def assertions(self) -> list[str]:
        """Every assertion that was evaluated, as name and operator: "gap <"."""
        return list(self._assertions)

    @property
    def broken_assertions(self) -> list[str]:
        """Those among them that came out false at least once."""
        return [assertion for assertion, broken in self._assertions.items() if broken]

    def __repr__(self) -> str:
        return "measure"

    def unjudged(self) -> list[str]:
        """Names of measurements that were never compared with anything."""
        return [m.name for m in self._measurements if not m.judged]

    def uncompared(self) -> list[str]:
        """Names of measurements beside which a published figure is shown that they were never compared with."""
        return [m.name for m in self._measurements if m.lacks_comparison]

    def broken(self) -> list[tuple[Measurement, Judgement]]:
        """Every comparison that came out false, in the order in which things were measured."""
        return [(m, comparison) for m in self._measurements for comparison in m.comparisons if not comparison.holds]

    def summary(self) -> list[Measurement]:
        """One measurement per name: of several, such as a search makes, the one with the least slack."""
        worst: dict[str, Measurement] = {}
        times: dict[str, int] = {}
        for measurement in self._measurements:
            name = measurement.name
            times[name] = times.get(name, 0) + 1
            if name not in worst or (measurement.holds, measurement.slack) < (
                worst[name].holds,
                worst[name].slack,
            ):
                worst[name] = measurement
        for name, measurement in worst.items():
            measurement.times = times[name]
        return list(worst.values())


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class _Judged:
    """Comparisons that leave a record. Mixed into a subclass of a plain number."""

    _measurement: Measurement
    _recorder: Recorder
    _plain: ClassVar[type]

    @classmethod
    def _of(cls, number: float, measurement: Measurement, recorder: Recorder) -> Any:
        judged = cls(number)  # type: ignore[call-arg]
        judged._measurement, judged._recorder = measurement, recorder
        return judged

    def as_published(self, *, within: float | None = None, within_abs: float | None = None) -> bool:
        """Whether it is the published figure, to within a fraction of that or to within a number in its own unit.

        Raises MeasurementError if no figure was published, or the tolerance is not one positive number.
        """
        measurement, published = self._measurement, self._measurement.published
        if published is None:
            raise MeasurementError(f"{measurement.name!r} has no published figure: measure(.., published=0.077)")
        given = [tolerance for tolerance in (within, within_abs) if tolerance is not None]
        if len(given) != 1 or not 0 < given[0] < math.inf:
            raise MeasurementError(
                f"{measurement.name!r}: as_published takes one tolerance, within=1/5 or within_abs=0.001"
            )
        tolerance = given[0] if within is None else within * abs(published)
        if not tolerance:
            raise MeasurementError(f"{measurement.name!r}: no fraction of a published 0 is a tolerance: use within_abs")
        slack = float(tolerance - abs(self._plain(self) - published))
        if math.isnan(slack):
            raise MeasurementError(f"{measurement.name!r} was compared with {published}, which says nothing")
        spelled = format_number(given[0]) if within is None else f"{100 * within:.4g}%"
        bound = f"{format_number(published)} ± {spelled}"
        frame = sys._getframe(1)
        comparison = Judgement("==", bound, slack >= 0, slack, frame.f_lineno, as_published=True)
        return self._recorder.answer(measurement, comparison, frame)

    def _judge(self, symbol: str, compare: Callable[[Any, Any], Any], other: Any) -> Any:
        value = self._end(symbol)
        if isinstance(other, _Judged):
            other._measurement.used_as_bound = True
            other = other._end(_MIRRORED.get(symbol, symbol))
        elif getattr(other, "ndim", None) == 0 and hasattr(other, "item"):  # numpy and torch scalars
            other = other.item()
        outcome = compare(value, other)
        if outcome is NotImplemented:
            return outcome
        holds = bool(outcome)
        slack = _slack(symbol, value, other, holds)
        if slack is None:
            raise MeasurementError(
                f"{self._measurement.name!r} was compared with a {type(other).__name__}, which is no bound"
            )
        if math.isnan(slack):
            raise MeasurementError(
                f"{self._measurement.name!r} = {value} was compared with {other}, which says nothing"
            )
        frame = sys._getframe(2)
        comparison = Judgement(symbol, _spell(other), holds, slack, frame.f_lineno)
        return self._recorder.answer(self._measurement, comparison, frame)

    def _end(self, symbol: str) -> Any:
        """The value, or the end of its interval that is nearer to breaking a comparison by `symbol`."""
        interval = self._measurement.interval
        if interval is not None and symbol in _MIRRORED:
            return interval[symbol in ("<", "<=")]
        return self._plain(self)

    def __lt__(self, other: Any) -> Any:
        return self._judge("<", operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._judge("<=", operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._judge(">", operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._judge(">=", operator.ge, other)

    def __eq__(self, other: Any) -> Any:
        return self._judge("==", operator.eq, other)

    def __ne__(self, other: Any) -> Any:
        return self._judge("!=", operator.ne, other)

    def __hash__(self) -> int:
        return hash(self._plain(self))


class MeasuredFloat(_Judged, float):
    _plain = float
    __hash__ = _Judged.__hash__


class MeasuredInt(_Judged, int):
    _plain = int
    __hash__ = _Judged.__hash__


def format_value(measurement: Measurement) -> str:
    """Value, interval and unit: "0.994 [0.991, 0.997] nats"."""
    words = [format_number(measurement.value)]
    if measurement.interval is not None:
        words.append(format_interval(measurement.interval))
    return " ".join([*words, measurement.unit]).rstrip()


def format_interval(interval: Sequence[float]) -> str:
    """The two ends in brackets."""
    low, high = interval
    return f"[{format_number(low)}, {format_number(high)}]"


def _plain_interval(name: str, value: float, interval: tuple[Any, Any] | None) -> tuple[float, float] | None:
    """The ends as plain numbers. Raises MeasurementError unless they are finite and have the value between them."""
    if interval is None:
        return None
    if not isinstance(interval, tuple | list) or len(interval) != 2:
        raise MeasurementError(f"{name!r}: an interval is a pair of numbers (low, high), not {interval!r}")
    low, high = (_plain_number(name, end) for end in interval)
    if not -math.inf < low <= value <= high < math.inf:
        raise MeasurementError(f"{name!r} = {value} needs a finite interval around it, not [{low}, {high}]")
    return low, high


def _plain_number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) and hasattr(value, "item"):
        try:
            value = value.item()  # numpy and torch scalars
        except (ValueError, RuntimeError, TypeError):
            raise MeasurementError(f"{name!r} measures {type(value).__name__} of more than one number") from None
    if isinstance(value, bool):
        raise MeasurementError(f"{name!r} measures a verdict ({value}): measure the number that it was drawn from")
    if not isinstance(value, (int, float)):
        raise MeasurementError(f"{name!r} measures a {type(value).__name__}: only numbers can be compared")
    if isinstance(value, float) and math.isnan(value):
        raise MeasurementError(f"{name!r} is not a number (NaN), so no comparison can judge it")
    return int(value) if isinstance(value, int) else float(value)


def _slack(symbol: str, value: float, bound: Any, holds: bool) -> float | None:
    """Distance kept from the bound, in units of the value; None if `bound` is no number."""
    tolerance = 0.0
    if hasattr(bound, "expected") and hasattr(bound, "tolerance"):  # pytest.approx
        bound, tolerance = bound.expected, bound.tolerance
    try:
        distance = float(abs(value - bound))
    except OverflowError:  # two integers, further apart than any floating point number is large
        distance = math.inf
    except (TypeError, ValueError):
        return None
    if symbol == "==":
        return float(tolerance - distance)
    return float(distance if holds else -distance)


def _spell(bound: Any) -> str:
    if isinstance(bound, (int, float)):
        return format_number(bound)
    return str(bound)
