"""On which running means each neuron fires: over every sequence.

A pre-activation is a mean over positions, weighted by attention, so its sign is fixed over nearly every class of
length, last token and sum: see `extremes.Position`. From these signs follows between which means a neuron may go either
way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.extremes import Position
from cumsum_model.proof.tables import tables
from toy_model.arithmetic.balls import Array


@dataclass(frozen=True, eq=False)
class Activity:
    """Where each neuron may be silent and where it may fire: over every sequence of every length, [neuron] each.

    Means are running means; infinite where there is no such sequence.
    silent: the smallest and the largest mean at which some sequence may leave the neuron silent.
    firing: the smallest and the largest mean at which some sequence may make it fire.
    nearest_silent: the smallest size of a mean at which some sequence may leave the neuron silent.
    """

    silent: tuple[Array, Array]
    firing: tuple[Array, Array]
    nearest_silent: Array

    def silent_on_its_side(self, slope: Array) -> Array:
        """The largest mean of its own side at which a neuron may be silent, 0 for a sum of zero; negative if none.

        slope: positive for neurons that fire on positive means.
        """
        return np.where(slope > 0, self.silent[1], -self.silent[0])

    def firing_on_the_other(self, slope: Array) -> Array:
        """The largest mean, in size, of the other side at which a neuron may still fire."""
        return np.where(slope > 0, -self.firing[0], self.firing[1])


def activity(model: CumsumTransformer) -> Activity:
    """Bound the means at which each neuron of the first layer fires. Raises Unprovable.

    Guarantee: beyond `firing` no sequence makes a neuron fire; outside `silent` none leaves it silent.
    """
    read = tables(model)
    silent = np.full((2, read.d_mlp), np.inf)
    firing, nearest = silent.copy(), silent[0].copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for query in read.queries():
            position = Position(read, query)
            means = (position.sum_of / position.n)[..., None]
            for neurons, may in ((silent, position.pre_low <= 0), (firing, position.pre_high > 0)):
                for end, sign in enumerate((1, -1)):
                    here = np.where(may, sign * means, np.inf).min((0, 1))
                    np.minimum(neurons[end], here, out=neurons[end])
            np.minimum(nearest, np.where(position.pre_low <= 0, np.abs(means), np.inf).min((0, 1)), out=nearest)
    return Activity((silent[0], -silent[1]), (firing[0], -firing[1]), nearest)
