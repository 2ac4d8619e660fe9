"""What a count of runs says of all seeds: an exact interval, and when there are too few to say anything."""

from __future__ import annotations

import math

from pytest_claims import interval

CONFIDENCE = 0.95

ENOUGH = 30
"""So many runs, with the same verdict on all, it takes to call a claim universal, or refuted everywhere: at 95%, 30 of
30 show that it is so on 88% of all seeds or more."""


def clopper_pearson(holds: int, undecided: int, n: int) -> tuple[float, float]:
    """The 95% interval of the share of all seeds on which a claim holds, of which `holds` of `n` runs did.

    Exact (Clopper and Pearson 1934): whatever the share is, the interval misses it at most once in twenty sweeps.
    A run that did not decide, being in error or not run, could have come out either way: the lower end takes it for a
    refutation, the upper end for one more that holds. Raises ValueError if n is 0.
    """
    low, _ = interval.clopper_pearson(holds, n, CONFIDENCE)
    _, high = interval.clopper_pearson(holds + undecided, n, CONFIDENCE)
    return low, high


def percent(interval: tuple[float, float], to: str = "% to ") -> str:
    """Both ends, rounded outwards."""
    return f"{at_least(interval[0])[:-1]}{to}{math.ceil(round(interval[1] * 100, 6))}%"


def at_least(share: float) -> str:
    """A lower bound, rounded down."""
    return f"{math.floor(round(share * 100, 6))}%"
