"""Numbers in balls of 192 bits, and what becomes of them in float64.

The tables of a checkpoint are computed in ball arithmetic (python-flint), where every number carries the bound on its
own error, and are then rounded to float64 once. A ball that is too wide for that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sorted_list_model.proof.check.document import OutOfRange

Array = NDArray[np.float64]

BITS = 192

EPSILON = 1e-5
"""Added to the variance by layer norm, inside the root: the float64 number."""

FLOOR = 2.0**-40
"""Entries that are smaller are as exact as this one: errors are relative to their sizes and this together."""

LARGEST = 2.0**60
"""No number of a table may be larger than this."""

Rows = list[list[arb]]


def matrix(numbers: Any) -> arb_mat:
    """Stored weights of two axes as what they are: balls of radius zero."""
    rows: list[list[float]] = np.asarray(numbers, dtype=np.float64).tolist()
    return arb_mat([[arb(number) for number in row] for row in rows])


def repeated(vector: Any, rows: int) -> arb_mat:
    """The same row of stored weights, so many times."""
    return matrix(np.broadcast_to(np.asarray(vector, dtype=np.float64), (rows, len(vector))))


def centred(of: arb_mat) -> arb_mat:
    """Each row less its mean."""
    return arb_mat([_centred(row) for row in of.tolist()])


def layer_norm(of: arb_mat, w: Sequence[float], b: Sequence[float]) -> arb_mat:
    """Each row less its mean, divided by the root of its variance and EPSILON, times w, plus b."""
    scales, shifts = [arb(number) for number in w], [arb(number) for number in b]
    rows = []
    for row in of.tolist():
        row = _centred(row)
        variance = sum((number * number for number in row), arb(0)) / len(row)
        factor = (variance + arb(EPSILON)).rsqrt()
        rows.append([x * factor * scale + shift for x, scale, shift in zip(row, scales, shifts, strict=True)])
    return arb_mat(rows)


def _centred(row: list[arb]) -> list[arb]:
    mean = sum(row, arb(0)) / len(row)
    return [number - mean for number in row]


def rounded(of: arb_mat, what: str) -> Array:
    """The table in float64, [row, column]. Raises OutOfRange, in which it is called `what`.

    Guarantee: no entry is further than 2**-52 * (its size + FLOOR) from the exact one. A midpoint is rounded to
    nearest, which is 2**-53 of its size; the radius is held to 2**-54 FLOOR; what underflows is far below that.
    """
    entries = of.entries()
    table = np.array([float(entry) for entry in entries])
    radius = max((float(entry.rad()) for entry in entries), default=0.0)
    largest = float(abs(table).max(initial=0))
    # Written so that it fails for what is not a number.
    if not (largest <= LARGEST and radius <= 2.0**-54 * FLOOR):
        raise OutOfRange(f"out of range: {what} are up to {largest:.3g}, and known to {radius:.3g} only")
    return table.reshape(of.nrows(), of.ncols())


MAX_SPREAD = 600
"""Scores of one query may differ by this much: the smallest attention weight, e^-600, is a normal number of float64."""


def attention_weights(scores: list[arb], where: str) -> Array:
    """e^(score - m) of each key, for an m which is the largest score but for 2**-60. Raises OutOfRange.

    Guarantee: each is the exact number but for 2**-52 of itself: the ball of e^x is held to 2**-56 of its midpoint.
    """
    midpoints = np.array([float(score) for score in scores])
    radius = max(float(score.rad()) for score in scores)
    if not (np.isfinite(midpoints).all() and radius <= 2.0**-60):
        raise OutOfRange(f"out of range: {where}: its attention scores are known to {radius:.3g} only")
    spread = float(midpoints.max() - midpoints.min())
    if not spread <= MAX_SPREAD:
        raise OutOfRange(
            f"out of range: {where}: its attention scores differ by up to {spread:.6g}, this checker handles "
            f"differences of up to {MAX_SPREAD}"
        )
    most = scores[int(midpoints.argmax())].mid()
    weights = [(score - most).exp() for score in scores]
    table = np.array([float(weight) for weight in weights])
    radii = np.array([float(weight.rad()) for weight in weights])
    if not (radii <= 2.0**-56 * table).all():
        raise OutOfRange(f"out of range: {where}: its attention weights are not known well enough")
    return table
