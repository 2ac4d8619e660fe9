"""What is proved of a one-layer model at every length: the share of wrong sequences, and the smallest margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import THOROUGH_BUDGET, certify
from cumsum_model.proof.rounding import logit_error
from cumsum_model.proof.tables import Unprovable

SHORTEST_FITTED = 5
"""Shorter sequences are left out of the fit: there the smallest margin is that of one of a few sequences."""


@dataclass(frozen=True)
class Proved:
    """What holds of every sequence, in real arithmetic on the stored weights. Lists are by length, from 1.

    right_up_to     every sequence of every length up to this one is right; 0 if not even those of length 1 are
    zero, signed    no sequence of the length with sum 0, or with another sum, has a smaller margin; in logits
    found           the margin of the hardest sequence that was found
    wrong           the share of all sequences of the length that is wrong: at least, and at most
    float32_error   no logit of float32 inference is off by more
    """

    right_up_to: int
    zero: list[float]
    signed: list[float]
    found: list[float]
    wrong: list[tuple[float, float]]
    float32_error: float

    @property
    def smallest_margin(self) -> float:
        """No sequence of any length has a smaller margin, in logits."""
        return min(*self.zero, *self.signed)

    @property
    def balanced_margin(self) -> float:
        """The same once the bias of the zero logit is moved to where it is best: see `balance`."""
        return (min(self.zero) + min(self.signed)) / 2

    @property
    def balance(self) -> float:
        """How much lower the bias of the zero logit would best be, in logits: next to a sum of zero that is the
        threshold between the answers, and what one side gains of its margin the other loses.

        A sequence with another sum than 0 that is nearer to the opposite sign than to zero gains less than this, and
        then `balanced_margin` is too large. A proof of the moved model says whether there is one.
        """
        return (min(self.zero) - min(self.signed)) / 2

    @property
    def power(self) -> float | None:
        """The power of the length as which the smallest margin falls, over the lengths at which it is positive."""
        return fitted_power(range(1, len(self.found) + 1), self.found)


def proved(model: CumsumTransformer, budget: int = THOROUGH_BUDGET) -> Proved | None:
    """What is proved of `model`; None of one that the proof does not speak of, such as of two layers.

    budget: additions to spend on counting where right and wrong sequences mix.
    """
    try:
        lengths = certify(model, budget=budget).lengths
    except Unprovable:
        return None
    zero, signed, wrong = [], [], []
    for length in lengths:
        is_zero = length.sums == 0
        zero.append(float(length.smallest[is_zero].min()))
        signed.append(float(length.smallest[~is_zero].min()))
        low, high = length.accuracy
        wrong.append((_rounded(1 - high, math.floor), _rounded(1 - low, math.ceil)))
    right = [bool(length.right.all()) for length in lengths]
    return Proved(
        right_up_to=right.index(False) if False in right else len(right),
        zero=zero,
        signed=signed,
        found=[length.hardest[0] for length in lengths],
        wrong=wrong,
        float32_error=logit_error(model),
    )


def fitted_power(lengths: Sequence[int], margins: Sequence[float]) -> float | None:
    """The slope of log margin over log length, by least squares; None where fewer than three margins are positive."""
    pairs = [(n, m) for n, m in zip(lengths, margins, strict=True) if n >= SHORTEST_FITTED and m > 0]
    if len(pairs) < 3:
        return None
    logs = np.log(np.array(pairs))
    return float(np.polynomial.polynomial.polyfit(logs[:, 0], logs[:, 1], 1)[1])


def _rounded(share: Fraction, towards: type[int] | object) -> float:
    """A share to four digits, rounded in the direction of `towards`: math.floor or math.ceil."""
    if share == 0:
        return 0.0
    digits = 3 - math.floor(_log10(share))
    scaled = share * 10**digits if digits >= 0 else share / 10**-digits
    return float(Fraction(towards(scaled)) / Fraction(10) ** digits)  # type: ignore[operator]


def _log10(share: Fraction) -> float:
    """Also of what is no float any more."""
    return math.log10(share.numerator) - math.log10(share.denominator)
