"""Which neurons fire, where a class holds sequences in which they do and others in which they do not.

Where a class holds both signs of a neuron that pushes the readout by k, k ReLU(y) is the larger of 0 and
k y if k > 0 and the smaller of them if k < 0. So "for each choice among the first kind the smallest over all
choices among the second" bounds the minimum from below, and the best choice is taken. At most
EXPANDED neurons are treated so; what is left of the others is bounded by the range of y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toy_model.arithmetic.balls import Array, Ball

EXPANDED = 3
"""Neurons of both signs in a class whose two cases are told apart: two to this power times the work."""

NOTHING = 1e-250
"""A push of this size, such as that of a silenced neuron, adds less than the 1e-150 that every error allows for."""


@dataclass(frozen=True)
class Signs:
    """The signs of neurons in some classes, and proved bounds of Z times their pre-activations: [class, neuron]."""

    signs: np.ndarray
    low: Array
    high: Array


@dataclass(frozen=True)
class Cases:
    """The rows of one run: for each group, the choices of firing neurons that have to be told apart.

    Rows of a group lie together, in blocks of one choice among the neurons with k > 0 and all among those with
    k < 0. left_over: what the neurons that were not expanded may take away, for each chosen cell. complete: whether
    there are none in a group, so that max over the first kind of min over the second *is* the readout.
    """

    group: np.ndarray
    firing: np.ndarray
    choice_starts: np.ndarray
    group_starts: np.ndarray
    left_over: Array
    complete: np.ndarray


def cases_of(first: Signs, k: Ball, high: Array, group: np.ndarray) -> Cases:
    """The cases of each group. `first` is one class of each, `k` what each neuron adds there to its readout.

    high: no Z times a pre-activation is larger, in each chosen cell. group: of each chosen cell.
    """
    mixed = (first.signs == 0) & (k.magnitude > NOTHING)
    # A push of unknown sign, as by cancellation, is nearly nothing: it is bounded like one that was not expanded.
    rises, falls = mixed & (k.mid > k.rad), mixed & ~(k.mid > k.rad)
    expanded = mixed & (np.abs(k.mid) > k.rad)
    if expanded.sum(1).max() > EXPANDED:
        swing = np.minimum(first.high, -first.low) * np.abs(k.mid) * expanded
        rank = (-swing).argsort(1, kind="stable").argsort(1, kind="stable")
        expanded &= rank < EXPANDED
    on_by_choice = rises & ~expanded & (first.high > -first.low)
    kept_out = falls & ~expanded

    # Counting through the rows of a group, neurons that fall are the lower binary digits, those that rise the upper.
    up, down = rises & expanded, falls & expanded
    upper, lower = up.sum(1), down.sum(1)
    digit = np.where(up, lower[:, None] + up.cumsum(1), down.cumsum(1)) - 1
    how_many = 2 ** (upper + lower)
    of = np.repeat(np.arange(len(how_many)), how_many)
    number = np.arange(len(of)) - (np.cumsum(how_many) - how_many)[of]
    firing = (first.signs[of] > 0) | on_by_choice[of] | (expanded[of] & (number[:, None] >> digit[of].clip(0) & 1 == 1))
    choice_starts = np.flatnonzero(number % 2 ** lower[of] == 0)

    left_over = np.zeros(len(group))
    if kept_out.any():
        # min(0, k y) >= -|k| max(y, 0); a push of unknown sign is covered by the same with its magnitude.
        assert (first.low[kept_out] <= 0).all()
        left_over = (k.magnitude[group] * high.clip(min=0) * kept_out[group]).sum(1) * (1 + 1e-12)
    return Cases(
        of,
        firing,
        choice_starts,
        np.flatnonzero(number[choice_starts] == 0),
        left_over,
        ~(mixed & ~expanded).any(1),
    )


def coefficients_of(readouts: Array, push: Ball, firing: np.ndarray) -> Ball:
    """What each column counts in each row: the push of the neurons that fire, and the readout itself."""
    return Ball(
        np.concatenate([push.mid * firing, readouts], 1),
        np.concatenate([push.rad * firing, np.zeros_like(readouts)], 1),
    )
