"""Two ways of doing the same, timed in turns: how long one takes, in units of the other.

A machine that other work slows down slows both, so the ratio of two neighbouring runs says more than either time.
Which of the two goes first changes from round to round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """Seconds of every round, of the one that is timed and of what it is held against."""

    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Of each round: below 1, ours is faster."""
        return self.ours / self.theirs


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int, warm_up: int = 1) -> Pair:
    """Time both `rounds` times, in turns, after `warm_up` rounds that do not count."""
    seconds = np.empty((2, rounds))
    for round_ in range(-warm_up, rounds):
        for which in (0, 1) if round_ % 2 else (1, 0):
            elapsed = seconds_of((ours, theirs)[which])
            if round_ >= 0:
                seconds[which, round_] = elapsed
    return Pair(seconds[0], seconds[1])


def seconds_of(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def spread(numbers: NDArray[np.float64]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    return {"median": float(median), "low": float(low), "high": float(high)}


class RatioClock:
    """A clock for pytest-benchmark that shows whatever it is told: what was measured passes as its time.

    So the saved runs of pytest-benchmark, its comparison and `--benchmark-compare-fail` all speak of ratios.
    """

    def __init__(self) -> None:
        self.shows = 0.0

    def __call__(self) -> float:
        return self.shows

    def __repr__(self) -> str:
        return "RatioClock"
