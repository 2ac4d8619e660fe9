"""What is proved of the sequences of one length: class by class, or a few numbers of all classes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from toy_model.arithmetic.balls import Array


def _accuracy(length: Length | Outline) -> tuple[Fraction, Fraction]:
    """The share of its sequences that is right, at least and at most."""
    low, high = length.answered_rightly
    return Fraction(low, length.sequences), Fraction(high, length.sequences)


@dataclass(frozen=True)
class Outline:
    """Of one length, what does not grow with the number of its classes: the properties of a `Length` by these names."""

    n: int
    sequences: int
    answered_rightly: tuple[int, int]
    smallest_margin: float
    hardest: tuple[float, tuple[int, ...]]
    all_right: bool
    known_wrong: bool

    accuracy = property(_accuracy)


@dataclass(frozen=True, eq=False, repr=False)
class Length:
    """Everything proved of the sequences of length `n`. Arrays are [last token, sum index] unless said otherwise.

    sums: the running sum of each class. counts: how many sequences it has, per sum index. No sequence of a class has
    a margin below `smallest` or above `largest`; `least` and `most` are the margins, in floating point, of the
    sequences `least_tokens` and `most_tokens` in it, [.., position], in as few bytes as hold a token: they are most of
    a certificate. right_low and right_high: how many of its sequences are right, at least and at most.
    signs: +1 or -1 where all sequences of the class agree on the sign of a neuron, [.., neuron].
    doubt: `least` and `most` are off by less.
    """

    n: int
    sums: np.ndarray
    counts: np.ndarray
    smallest: Array
    least: Array
    least_tokens: np.ndarray
    largest: Array
    most: Array
    most_tokens: np.ndarray
    right_low: np.ndarray
    right_high: np.ndarray
    signs: np.ndarray
    doubt: float

    def __repr__(self) -> str:  # of arrays this long no failing test should print all
        return f"Length({self.n}: smallest margin {self.smallest_margin:+.4g})"

    @property
    def least_witness(self) -> np.ndarray:
        """The tokens of a sequence of each class that has the margin `least`, [.., position], to be reckoned with."""
        return self.least_tokens.astype(np.int64)

    @property
    def most_witness(self) -> np.ndarray:
        """The same for `most`."""
        return self.most_tokens.astype(np.int64)

    @property
    def shown_wrong(self) -> np.ndarray:
        """Classes of which a wrong sequence is known: `least_witness`."""
        return np.isfinite(self.least) & (self.least < -self.doubt)

    @property
    def shown_right(self) -> np.ndarray:
        """Classes of which a right sequence is known: `most_witness`."""
        return np.isfinite(self.most) & (self.most > self.doubt)

    @property
    def labels(self) -> np.ndarray:
        """The right label of each class: 0, 1, 2 for a negative, zero, positive sum."""
        return np.sign(self.sums) + 1

    @property
    def right(self) -> np.ndarray:
        """Classes in which every sequence is right."""
        return self.smallest > 0

    @property
    def wrong(self) -> np.ndarray:
        """Classes in which every sequence is wrong."""
        return self.largest <= 0

    @property
    def split(self) -> np.ndarray:
        """Classes that are neither."""
        return ~self.right & ~self.wrong

    @property
    def all_right(self) -> bool:
        """Whether every sequence of this length is proved right."""
        return bool(self.right.all())

    @property
    def known_wrong(self) -> bool:
        """Whether a wrong sequence is known."""
        return bool(self.shown_wrong.any())

    @property
    def simplest_wrong(self) -> list[int] | None:
        """The values of a sequence that is known to be wrong, of those the one with the smallest; None if none is."""
        wrong = self.least_witness[self.shown_wrong] - self.max_value
        return [int(value) for value in wrong[np.abs(wrong).sum(1).argmin()]] if len(wrong) else None

    @property
    def max_value(self) -> int:
        """The largest value of a token."""
        return (len(self.sums) - 1) // 2

    def range_of(self, values: Sequence[int]) -> tuple[float, float]:
        """The smallest and largest margin that a sequence with this last value and sum can have: proved."""
        a = values[-1] + self.max_value
        (place,) = np.flatnonzero(self.sums[a] == sum(values))
        return float(self.smallest[a, place]), float(self.largest[a, place])

    @property
    def sequences(self) -> int:
        """All sequences of this length."""
        return int(self.counts.sum()) * len(self.sums)

    @property
    def answered_rightly(self) -> tuple[int, int]:
        """How many of them are right, at least and at most."""
        return int(self.right_low.sum()), int(self.right_high.sum())

    accuracy = property(_accuracy)

    @property
    def smallest_margin(self) -> float:
        """Proved: no sequence of this length has a smaller margin. In logits."""
        return float(self.smallest.min())

    @property
    def hardest(self) -> tuple[float, tuple[int, ...]]:
        """The smallest margin of a sequence that was found, and the tokens of that sequence."""
        a, s = np.unravel_index(self.least.argmin(), self.least.shape)
        return float(self.least[a, s]), tuple(self.least_tokens[a, s].tolist())

    @property
    def outline(self) -> Outline:
        """What remains of it where its classes are not kept."""
        return Outline(
            self.n,
            self.sequences,
            self.answered_rightly,
            self.smallest_margin,
            self.hardest,
            self.all_right,
            self.known_wrong,
        )
