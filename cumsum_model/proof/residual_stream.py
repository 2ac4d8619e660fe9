"""What resid_mid stores, over every sequence: the range of a linear readout in each class of length and sum.

A readout of resid_mid is a mean over positions, weighted by attention, so its extremes are found exactly as
those of the logits are. From them follows whether sums can be told apart, whatever the values that made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import value_direction, value_slope
from cumsum_model.proof.by_length import ByLength
from cumsum_model.proof.extremes import Position
from cumsum_model.proof.tables import tables
from cumsum_model.reading import mean_readout
from toy_model.arithmetic.balls import Array, exact
from toy_model.statistics import monotone_resolution


@dataclass(frozen=True)
class Stored:
    """The range of what is read over all sequences of one length and sum, whatever the last token: in units of mean.

    sums: all that occur, rising. Every sequence lies within low .. high.
    """

    n: int
    sums: np.ndarray
    low: Array
    high: Array

    @property
    def means(self) -> Array:
        return self.sums / self.n

    @property
    def gaps(self) -> Array:
        """From the highest reading of each sum to the lowest of the next; negative where they overlap."""
        return self.low[1:] - self.high[:-1]

    @property
    def spread(self) -> float:
        """The largest distance between two sequences of the same length and sum."""
        return float((self.high - self.low).max())


def stored(model: CumsumTransformer) -> ByLength[Stored]:
    """What the model itself reads as the running mean, `reading.mean_readout`: of every length and sum, proved.

    The same in every basis of the stream. Raises Unprovable.
    """
    return stored_along(model, mean_readout(model))


def stored_on_u(model: CumsumTransformer) -> ByLength[Stored]:
    """The projection on u, `circuit.value_direction`: the same in the basis that the stream happens to have.

    A unit is what one unit of value moves along u. Raises Unprovable.
    """
    return stored_along(model, value_direction(model) / abs(value_slope(model)))


def stored_along(model: CumsumTransformer, readout: Float[torch.Tensor, " d_model"]) -> ByLength[Stored]:
    """The range of resid_mid @ `readout` of every length and sum, over every sequence: proved. Raises Unprovable.

    Of the covector as float64 has it.
    """
    read = tables(model, readout.cpu().numpy()[:, None])
    along = np.zeros((2, 4))
    along[0, 3], along[1, 3] = 1, -1  # the readouts past the neurons are three logits, then ours
    no_push = exact(np.zeros((2, read.d_mlp)))

    def prove(n: int) -> Stored:
        position = Position(read, read.query(n))
        everywhere = np.ones((2, *position.sum_of.shape), dtype=bool)
        cells = position.smallest(along, everywhere, no_push, witnesses=False)
        position.sharpen(cells)
        lowest, highest = cells.bound.reshape(everywhere.shape)
        sums = np.arange(position.sum_of.min(), position.sum_of.max() + 1)
        low, high = np.full(len(sums), np.inf), np.full(len(sums), -np.inf)
        np.minimum.at(low, position.sum_of - sums[0], lowest)
        np.maximum.at(high, position.sum_of - sums[0], -highest)
        return Stored(n, sums, low, high)

    return ByLength(read.n_ctx, prove)


def resolution(ranges: Sequence[Stored]) -> float:
    """The largest difference in mean that the reading can put in the wrong order: over every pair of sequences.

    Of any lengths. 0 if it always rises with the mean; two means further apart than this are always distinguished.
    """
    mean, low, high = (
        torch.from_numpy(np.concatenate([getattr(length, name) for length in ranges]))
        for name in ("means", "low", "high")
    )
    return monotone_resolution(mean, low, high)


def equal_mean_spread(ranges: Iterable[Stored]) -> float:
    """How far the reading can differ between two sequences of the same mean, of any lengths: in units of mean."""
    widest = 0.0
    fractions: dict[tuple[int, int], tuple[float, float]] = {}
    for each in ranges:
        shared = np.gcd(each.sums, each.n)
        for top, bottom, low, high in zip(each.sums // shared, each.n // shared, each.low, each.high, strict=True):
            before = fractions.get((top, bottom), (np.inf, -np.inf))
            both = min(before[0], low), max(before[1], high)
            fractions[top, bottom] = both
            widest = max(widest, both[1] - both[0])
    return float(widest)
