"""What float32 may add: magnitudes and errors that follow a forward pass, operation by operation.

Method: forward error analysis by magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3). Each
quantity is a pair of a magnitude that no input exceeds and an error; both follow the forward pass. Sums may be taken
in any order and products fused; exp may be off by EXP_ULPS. Not covered: arithmetic of lower precision that some
accelerators use for products (TF32, bfloat16).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toy_model.arithmetic.balls import SINGLE, Array, gamma

EXP_ULPS = 4
"""How many units in the last place a float32 exp may be off. Library versions keep within 1."""

SLOP = 1 + 1e-9
"""Bounds are computed in floating point too: each is widened by more than that can lose."""

TINY = 2.0**-120
"""Covers what underflow takes away in float32."""


@dataclass(frozen=True)
class Computed:
    """Numbers as float32 has them: no exact one is larger than `size`, no computed one further off than `error`."""

    size: Array
    error: Array

    @property
    def reach(self) -> Array:
        """No computed number is larger than this."""
        return self.size + self.error

    def times(self, W: Array, *added: Computed) -> Computed:
        """`self @ W` for stored weights W, plus what is `added`: all of it as one sum, in any order."""
        size, error, reach = self.size @ abs(W), self.error @ abs(W), self.reach @ abs(W)
        for other in added:
            size, error, reach = size + other.size, error + other.error, reach + other.reach
        return computed(size, error + gamma(W.shape[-2] + len(added), SINGLE) * reach)

    def most(self, axis: int) -> Computed:
        """The largest along an axis."""
        return Computed(self.size.max(axis), self.error.max(axis))


def computed(size: Array, error: Array) -> Computed:
    """Numbers of this size, off by this much. Raises OverflowError where float32 may not hold them."""
    if not (size + error < 2.0**126).all():
        raise OverflowError("float32 may overflow on the way")
    return Computed(size * SLOP, error * SLOP + TINY)


def stored(weights: Array) -> Computed:
    """Weights as they are stored, which are exact."""
    return Computed(abs(weights), np.zeros_like(weights))


def attention_error(q: Computed, k: Computed, n: int) -> Array:
    """How far an attention weight can be off, relative to itself, for each query: softmax over at most `n` keys.

    q: [query, d_head]. k: the largest of any key, [d_head]. Raises OverflowError where scores are so large that float32
    does not determine the pattern.
    """
    d_head = q.size.shape[-1]
    size = q.size @ k.size
    error = (
        q.error @ k.size + q.reach @ k.error + gamma(d_head + 1, SINGLE) * (q.reach @ k.reach)
    )  # the scale may come first
    computed(size, error)
    # Dividing by sqrt(d_head), which is rounded itself; then the largest score is subtracted.
    size, error = size / math.sqrt(d_head), (error / math.sqrt(d_head)) + 3 * SINGLE * (size + error)
    error = error + 2 * SINGLE * (size + error)
    if not (error < 1).all():
        raise OverflowError("scores are so large that float32 does not determine the attention pattern")
    return np.expm1(2 * error + 2 * (2 * EXP_ULPS * SINGLE) + gamma(n + 2, SINGLE)) * SLOP + n * TINY
