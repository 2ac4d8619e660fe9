"""How far a measured value keeps from its bound, such that quantities of different units can stand side by side.

The room of a comparison is its slack as a share of the larger of value and bound: 1 is all that there could be, 0 is
the bound, below 0 the bound is broken. For a bound that has a tolerance it is the share of the tolerance that is left.
An exact equality has no room: it holds or does not. A bound of 0 has no size of its own, so that the largest value that
any run has takes its place.
"""

from __future__ import annotations

import math

from pytest_claims.measure import Judgement
from pytest_claims.text import format_number


def as_float(number: float) -> float:
    """An integer beyond all floating point numbers becomes an infinity."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def bound_of(value: float, comparison: Judgement) -> float | None:
    """The number that a value was compared with, for `x +- tolerance` that x; None if it was none.

    Reports spell bounds with four digits. Where that loses some, value and slack say what the bound was.
    """
    number = _number(comparison.bound.partition(" ± ")[0])
    if number is None or comparison.operator not in ("<", "<=", ">", ">="):
        return number
    towards = 1 if comparison.operator in ("<", "<=") else -1
    exact = as_float(value) + towards * comparison.slack
    if not math.isfinite(exact) or format_number(exact) != format_number(number) or math.isclose(exact, number):
        return number
    return exact


def tolerance_of(comparison: Judgement) -> float | None:
    """Of a bound such as `1 +- 0.01`, or as `1 +- 20%` of the published figure; None if it has none."""
    bound, tolerance = comparison.bound.partition(" ± ")[::2]
    if not comparison.as_published or not tolerance.endswith("%"):
        return _number(tolerance)
    published, percentage = _number(bound), _number(tolerance.removesuffix("%"))
    return None if published is None or percentage is None else abs(published) * percentage / 100


def room(value: float, comparison: Judgement, largest: float) -> float | None:
    """The share of room kept, at most 1; None if there is nothing to keep it from.

    largest: the largest size that the quantity has on any run.
    """
    bound, tolerance = bound_of(value, comparison), tolerance_of(comparison)
    if tolerance is not None:
        scale = tolerance
    elif comparison.operator in ("==", "!=") or bound is None:
        return None if comparison.holds else -1.0
    else:
        scale = max(abs(as_float(value)), abs(bound)) if bound else as_float(largest)
    if not scale or not math.isfinite(scale) or not math.isfinite(comparison.slack):
        return None if comparison.holds else -1.0
    return max(-1.0, min(1.0, comparison.slack / scale))


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return None if math.isnan(number) else number
