"""The exact interval of a proportion, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable

LEVEL = 0.95


def clopper_pearson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a probability of which `successes` of `trials` independent trials were seen.

    Exact: whatever the probability is, the interval misses it with a chance of 1 - level at most, half of it on either
    side. Raises ValueError if there are no trials, or more successes than trials.
    Source: Clopper and Pearson 1934.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials say nothing")
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    tail = (1 - level) / 2
    low = _root(lambda p: _at_least(successes, trials, p) - tail) if successes > 0 else 0.0
    high = _root(lambda p: tail - (1 - _at_least(successes + 1, trials, p))) if successes < trials else 1.0
    return low, high


def _at_least(successes: int, trials: int, p: float) -> float:
    """The chance of so many successes or more: the shorter tail is summed, from its largest term on."""
    if successes > trials * p:
        return math.fsum(_chance(k, trials, p) for k in range(successes, trials + 1))
    return 1 - math.fsum(_chance(k, trials, p) for k in range(successes))


def _chance(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def _root(rising: Callable[[float], float]) -> float:
    """Where an increasing function of a probability is 0, by bisection to the last bit but a few."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
