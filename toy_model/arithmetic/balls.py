"""Arrays that carry their own rounding error: a midpoint and a radius, in float64.

A ball stands for every real number within `rad` of `mid`. Each operation returns a ball that contains
the exact result for all members of its operands: the midpoint is what floating point computes, the
radius grows by what is propagated and by an a-priori bound on the rounding. So a sign that a ball leaves
no doubt about is a sign of the exact number.

The bounds are the standard ones of Higham, Accuracy and Stability of Numerical Algorithms, ch. 3: one
operation is off by at most u times its result, a sum of n products in any order, fused or not, by at
most gamma_n = n u / (1 - n u) times the sum of the absolute products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DOUBLE = 2.0**-53
"""Unit roundoff of float64."""

SINGLE = 2.0**-24
"""Unit roundoff of float32."""

EXP_ULPS = 2
"""How many units in the last place numpy's exp may be off; tests hold it against an enclosure."""

_TINY = 2.0**-1000
"""Covers what underflow takes away (2**-1075 per operation), many times over."""

_SLOP = 1 + 2.0**-30
"""Radii are computed in floating point too: each is widened by more than that can lose."""


def gamma(n: int, unit: float = DOUBLE) -> float:
    """The relative error bound of n roundings in a row. Raises ValueError where it stops being one."""
    if n * unit >= 0.5:
        raise ValueError(f"{n} operations at a unit roundoff of {unit} leave no correct digit")
    return n * unit / (1 - n * unit) * _SLOP


@dataclass(frozen=True, eq=False)
class Ball:
    """Real numbers, one for each entry: anywhere within `rad` of `mid`."""

    mid: Array
    rad: Array

    def __post_init__(self) -> None:
        assert self.mid.shape == self.rad.shape, (self.mid.shape, self.rad.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    @property
    def magnitude(self) -> Array:
        """At least the absolute value of every member."""
        return (np.abs(self.mid) + self.rad) * _SLOP

    @property
    def T(self) -> Ball:
        """Rows as columns."""
        return Ball(self.mid.T, self.rad.T)

    def __getitem__(self, index: Any) -> Ball:
        return Ball(self.mid[index], self.rad[index])

    def __neg__(self) -> Ball:
        return Ball(-self.mid, self.rad)

    def __add__(self, other: Ball) -> Ball:
        mid = self.mid + other.mid
        return _ball(mid, self.rad + other.rad + DOUBLE * np.abs(mid))

    def __sub__(self, other: Ball) -> Ball:
        return self + -other

    def __mul__(self, other: Ball) -> Ball:
        mid = self.mid * other.mid
        propagated = np.abs(self.mid) * other.rad + self.rad * other.magnitude
        return _ball(mid, propagated + DOUBLE * np.abs(mid))

    def __matmul__(self, other: Ball) -> Ball:
        mid = self.mid @ other.mid
        sizes = np.abs(self.mid), np.abs(other.mid)
        rounding = gamma(self.shape[-1]) * sizes[1]
        return _ball(mid, sizes[0] @ (other.rad + rounding) + self.rad @ other.magnitude)

    def exp(self) -> Ball:
        """Exponential of each entry. Radii of at least 1 are refused: such a score is not known."""
        if not (self.rad < 1).all():
            raise OverflowError("the argument of exp is known too badly for its value to be known at all")
        mid = np.exp(self.mid)
        # |e^(x + d) - e^x| <= e^x (e^|d| - 1), and an ulp is at most 2 u relative to the value. Results among
        # the subnormals, where an ulp is no longer relative, are covered by _TINY.
        return _ball(mid, mid * (1 + 4 * EXP_ULPS * DOUBLE) * np.expm1(self.rad) + mid * 2 * EXP_ULPS * DOUBLE)

    def sqrt(self) -> Ball:
        """Square root of each entry. Raises ValueError where a member is not positive."""
        if not (self.mid > self.rad).all():
            raise ValueError("a ball that holds 0 or less has no square root")
        mid = np.sqrt(self.mid)
        # |sqrt(x + d) - sqrt(x)| = |d| / (sqrt(x + d) + sqrt(x)) <= |d| / sqrt(x).
        return _ball(mid, self.rad / mid + DOUBLE * mid)

    def inverse(self) -> Ball:
        """One over each entry. Raises ZeroDivisionError where 0 is among the members."""
        nearest = np.abs(self.mid) - self.rad
        if not (nearest > 0).all():
            raise ZeroDivisionError("a ball that holds 0 has no inverse")
        mid = 1 / self.mid
        return _ball(mid, self.rad / (np.abs(self.mid) * nearest) + DOUBLE * np.abs(mid))


def _ball(mid: Array, rad: Array) -> Ball:
    if not np.isfinite(mid).all():
        raise OverflowError("a number is too large for float64")
    return Ball(mid, rad * _SLOP + _TINY)


def exact(numbers: Any) -> Ball:
    """Numbers that floating point holds exactly, such as stored weights: a ball of radius zero."""
    mid = np.asarray(numbers, dtype=np.float64)
    return Ball(mid, np.zeros_like(mid))


def square_root(number: int) -> Ball:
    """The square root of a whole number: IEEE 754 rounds it correctly."""
    root = np.asarray(math.sqrt(number))
    return Ball(root, np.where(root * root == number, 0.0, DOUBLE * root))


def beside(*balls: Ball) -> Ball:
    """One after the other along the last axis."""
    return Ball(np.concatenate([b.mid for b in balls], -1), np.concatenate([b.rad for b in balls], -1))


def reshape(ball: Ball, *shape: int) -> Ball:
    """The same numbers in another shape."""
    return Ball(ball.mid.reshape(shape), ball.rad.reshape(shape))


def stacked(balls: Sequence[Ball]) -> Ball:
    """Balls of one shape, along a new first axis."""
    return Ball(np.stack([b.mid for b in balls]), np.stack([b.rad for b in balls]))


def mean_of(width: int, copies: int) -> Ball:
    """The matrix that takes the mean of a vector, so many times: [width, copies]."""
    return Ball(np.full((width, copies), 1.0 / width), np.full((width, copies), DOUBLE / width))


def centred(vectors: Ball) -> Ball:
    """Each vector along the last axis less its mean."""
    width = vectors.shape[-1]
    return vectors @ (exact(np.eye(width)) - mean_of(width, width))


def centred_and_scale(vectors: Ball, epsilon: float) -> tuple[Ball, Ball]:
    """What layer norm divides, and what it divides it by: the root of the variance plus epsilon, [.., 1]."""
    without_mean = centred(vectors)
    return without_mean, (without_mean * without_mean @ mean_of(vectors.shape[-1], 1) + exact(epsilon)).sqrt()
