"""What float32 may add: magnitudes and errors that follow a forward pass, operation by operation.

Method: forward error analysis by magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3). Each
quantity is a pair of a magnitude that no input exceeds and an error; both follow the forward pass (`Computed`). Where
the exact numbers are known, because there are few of them, errors keep apart by where they arose (`Traced`): all of
them reach a result through products of matrices, in which much cancels that magnitudes would add up.

Sums may be taken in any order and products fused; exp may be off by EXP_ULPS, the quotients of layer norm by
QUOTIENT_ULPS. Not covered: arithmetic of lower precision that some accelerators use for products (TF32, bfloat16).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toy_model.arithmetic.balls import SINGLE, Array, Ball, centred_and_scale, exact, gamma, square_root

EXP_ULPS = 4
"""How many units in the last place a float32 exp may be off. Library versions keep within 1."""

QUOTIENT_ULPS = 4
"""How many units in the last place a vector over the root of its variance may be off, for the root and the division
together. Both are rounded correctly by IEEE 754; an inverse root that is multiplied with keeps within this."""

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


def sum_error(size: Array, total: Array, n: int) -> Array:
    """How far a sum of n products of float32 numbers may be off: in any order, fused or not.

    `size` is the sum of their magnitudes and `total` the magnitude of their sum, or more. Each addition is off by at
    most a unit roundoff of its result, which is the sum of some of the products. No such sum is larger than the sum
    of all positive ones or that of all negative ones, and neither of these is larger than (size + total) / 2.
    """
    rounded = gamma(n, SINGLE)
    partial = (size + total) / 2 + 2 * rounded * size
    return computed(size, SINGLE * size + (n - 1) * SINGLE * partial).error + n * TINY


@dataclass(frozen=True, eq=False)
class Traced:
    """Rows of numbers that are known exactly, and how far those that float32 has are off.

    own     how far each may be off, whatever the others are off by
    along   how far a row may be off along one direction: [row, 1], and the direction, [row or 1, coordinate]
    source  of what these are a product: rows whose errors pass through the matrix, and the matrix
    """

    exact: Ball
    own: Array
    along: tuple[tuple[Array, Ball], ...] = ()
    source: tuple[Traced, Ball] | None = None

    def error_of(self, M: Ball) -> Array:
        """How far `self @ M` is off at most, were the product exact."""
        error = self.own @ M.magnitude
        for most, direction in self.along:
            error = error + most * (direction @ M).magnitude
        if self.source is not None:
            rows, W = self.source
            error = error + rows.error_of(W @ M)
        return error * SLOP

    @property
    def error(self) -> Array:
        """How far each number is off at most."""
        return self.error_of(exact(np.eye(self.exact.shape[-1])))

    @property
    def reach(self) -> Array:
        """No computed number is larger than this."""
        return self.exact.magnitude + self.error

    def of_rows(self, rows: NDArray[np.int64]) -> Traced:
        """The same of some of the rows."""
        along = tuple(
            (most[rows], direction if len(direction.mid) == 1 else direction[rows]) for most, direction in self.along
        )
        source = self.source and (self.source[0].of_rows(rows), self.source[1])
        return Traced(self.exact[rows], self.own[rows], along, source)

    def times(self, W: Array, b: Array) -> Traced:
        """`self @ W + b` for stored W and b. Raises OverflowError where float32 may not hold it."""
        product = self.exact @ exact(W) + exact(b)
        n, propagated = len(W) + 1, self.error @ abs(W)
        size = self.exact.magnitude @ abs(W) + abs(b)
        own = sum_error(size + propagated, product.magnitude + propagated, n)
        return Traced(product, own, source=(self, exact(W)))


def scale_error(rms: Array, shift: Array, least: Array | float, width: int) -> tuple[Array, float]:
    """How far the scale of a layer norm may be off: by at most the first number plus the second times the scale.

    rms    the root mean square of what the centred vectors are off by, that of their computed means left out
    shift  how far a computed mean is off from that of the computed vector
    least  no exact scale is smaller

    Raises OverflowError where it may be all wrong.
    """
    if not (2 * rms < least).all():
        raise OverflowError("the stream is off by as much as layer norm divides by")
    # sqrt(mean(c^2) + epsilon) changes by no more than the root mean square of a change of c. A shift of all
    # coordinates is at right angles to c; each difference is rounded, by a unit roundoff of what it is.
    absolute = rms + shift**2 / (2 * (least - rms)) + SINGLE * (rms + shift)
    # A square, a sum, a division (or an inverse and a product), and the epsilon, which is rounded itself.
    variance = gamma(width + 3, SINGLE) + width * TINY / float(np.min(least)) ** 2
    root = variance / (2 - variance)
    return absolute * (1 + root) * SLOP, (SINGLE + root + SINGLE * root) * SLOP


def layer_norm(x: Ball, error: Array, w: Array, b: Array, epsilon: float) -> Traced:
    """Layer norm of rows that are known exactly, computed from ones that are off by at most `error`.

    Raises OverflowError where float32 may overflow or says nothing of the scale.
    """
    width = x.shape[-1]
    centred, scale = centred_and_scale(x, epsilon)
    normalised = centred * scale.inverse()

    least = scale.mid - scale.rad
    shift = mean_error(x.magnitude + error)
    common = shift + error.mean(-1, keepdims=True)
    absolute, relative = scale_error(np.sqrt((error**2).mean(-1, keepdims=True)), shift, least, width)
    of_scale = absolute / least + relative
    if not (of_scale < 0.5).all():
        raise OverflowError("float32 says nothing of the scale of a layer norm")
    reach = centred.magnitude + error + common
    computed((reach**2).sum(-1), np.zeros(len(reach)))
    divisor = least * (1 - of_scale)
    # A difference, a quotient, a product with the weight, and the addition of the bias.
    rounded = gamma(1 + 2 * QUOTIENT_ULPS + 2, SINGLE) * reach
    own = (error + rounded) / divisor * abs(w) + SINGLE * abs(b) + TINY * (1 + abs(w))
    along = ((of_scale / (1 - of_scale), normalised * exact(w)), (common / divisor, exact(w[None])))
    y = normalised * exact(w) + exact(b)
    computed(y.magnitude, own)
    return Traced(y, own * SLOP, along)


def mean_error(reach: Array) -> Array:
    """How far a mean along the last axis may be off, summed in any order, of numbers no larger than `reach`."""
    width = reach.shape[-1]
    size = reach.sum(-1, keepdims=True)
    return computed(size, gamma(width + 1, SINGLE) * size).error / width + TINY


def score_error(q: Traced, k: Traced) -> tuple[Ball, Array]:
    """Attention scores, and how far each may be off as far as attention goes: [query, key].

    What all scores of a query are off by alike changes no attention weight, and is left out.
    Raises OverflowError where float32 may overflow.
    """
    d_head = q.exact.shape[-1]
    scores = q.exact @ k.exact.T
    middle = (k.exact.mid.max(0) + k.exact.mid.min(0)) / 2
    both = q.error @ k.error.T
    # An error of q alone changes all scores of a query: by what it is times the same key, and times the difference.
    error = q.error_of((k.exact - exact(middle)).T) + k.error_of(q.exact.T).T + both
    off = q.error @ k.exact.magnitude.T + q.exact.magnitude @ k.error.T + both
    size = q.reach @ k.reach.T
    # Division by the root, itself rounded, or a product with its inverse: before the sum or after.
    error = error + sum_error(size, scores.magnitude + off, d_head) + 3 * SINGLE * size * (1 + gamma(d_head, SINGLE))
    return scores * square_root(d_head).inverse(), error / math.sqrt(d_head) * SLOP


def exponent_error(scores: Array, error: Array) -> Array:
    """How far the logarithm of a softmax's weights may be off, for scores no larger than this and off by this much.

    That is, the computed weights are proportional to the exponentials of exact scores that are off by this, but for
    what underflows, and add up to 1 as far as `softmax_sum_error` says.
    """
    # The largest score is subtracted; exp, and the division by the sum or product with its inverse, follow.
    return (error + SINGLE * (2 * scores + 2 * error) + (2 * EXP_ULPS + 3) * SINGLE) * SLOP


def softmax_sum_error(n: int) -> float:
    """How far the sum of the attention weights of a query may be from 1, of at most n keys, underflow included."""
    return (gamma(n + 3, SINGLE) + 2 * n * TINY) * SLOP
