"""Numbers that remember what they were compared with.

`measure(name, value)` returns a number. Comparing it records the bound, whether it was kept and by
how much, and then gives the answer that the plain number would have given.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar


class MeasurementError(Exception):
    """A measurement that cannot be judged, or was not."""


@dataclass
class Comparison:
    """One comparison of a value. `slack` is the distance kept from the bound, negative if it is broken."""

    operator: str
    bound: str
    holds: bool
    slack: float
    line: int = 0
    """Line of the source file on which it was made."""


@dataclass
class Measurement:
    """A named value and every comparison it went through."""

    name: str
    value: float
    unit: str = ""
    published: float | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    used_as_bound: bool = False
    times: int = 1

    @property
    def judged(self) -> bool:
        return bool(self.comparisons) or self.used_as_bound

    @property
    def holds(self) -> bool:
        return all(comparison.holds for comparison in self.comparisons)

    @property
    def slack(self) -> float:
        return min((comparison.slack for comparison in self.comparisons), default=math.inf)


class Recorder:
    """The fixture `measure`: hands out numbers and keeps what became of them."""

    def __init__(self) -> None:
        self._measurements: list[Measurement] = []

    def __call__(
        self, name: str, value: Any, unit: str = "", published: float | None = None
    ) -> MeasuredFloat | MeasuredInt:
        """Record `value` under `name`, with the figure that was published for it if there is one.

        Takes a Python, numpy or torch number of one element. Raises MeasurementError if it is not a
        number, NaN included: no comparison with NaN says anything, not even one that comes out true.
        """
        if not isinstance(name, str) or not name:
            raise MeasurementError(f"a measurement needs a name, as in measure('gap', gap); got {name!r}")
        number = _plain_number(name, value)
        measurement = Measurement(str(name), number, str(unit), None if published is None else float(published))
        self._measurements.append(measurement)
        if isinstance(number, int):
            return MeasuredInt._of(number, measurement)
        return MeasuredFloat._of(number, measurement)

    def __repr__(self) -> str:
        return "measure"

    def unjudged(self) -> list[str]:
        """Names of measurements that were never compared with anything."""
        return [m.name for m in self._measurements if not m.judged]

    def broken(self) -> list[tuple[Measurement, Comparison]]:
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


class _Judged:
    """Comparisons that leave a record. Mixed into a subclass of a plain number."""

    _measurement: Measurement
    _plain: ClassVar[type]

    @classmethod
    def _of(cls, number: float, measurement: Measurement) -> Any:
        judged = cls(number)  # type: ignore[call-arg]
        judged._measurement = measurement
        return judged

    def _judge(self, symbol: str, compare: Callable[[Any, Any], Any], other: Any) -> Any:
        value = self._plain(self)
        if isinstance(other, _Judged):
            other._measurement.used_as_bound = True
            other = other._plain(other)
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
        line = sys._getframe(2).f_lineno
        self._measurement.comparisons.append(Comparison(symbol, _spell(other), holds, slack, line))
        return holds

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


def format_number(number: float) -> str:
    """Four significant digits; whole numbers in full."""
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:.4g}"


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
