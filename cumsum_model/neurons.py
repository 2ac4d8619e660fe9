"""What each neuron of the first layer reads of the running mean, and what it adds to the three logits.

At the average token and position a neuron's pre-activation is the line `slope * mean + bias`: it fires on one side of
its kink, and pushes each logit by `push` per unit of activation. No change of basis of the stream and no constant moved
between biases changes any of these; a neuron that is rescaled keeps its kink and strength. Which neurons fire on which
sequences, rather than at the average token and position, is proved in `proof.activity`. Source: write-up, Analysing
neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.model import CumsumTransformer
from cumsum_model.replacement import first_layer

LIVE_FRACTION = 1 / 20
"""A neuron is live if it has at least this fraction of the strongest neuron's strength."""


@dataclass(frozen=True)
class Neurons:
    """The neurons of a layer, in float64.

    slope  change of the pre-activation per unit of running mean
    bias   pre-activation at a running mean of zero, at the average token and position
    push   change of each logit (neg, zero, pos) per unit of activation, centred over the three: what is common to all
           logits changes no probability
    reach  the largest running mean there is
    """

    slope: Float[Tensor, " d_mlp"]
    bias: Float[Tensor, " d_mlp"]
    push: Float[Tensor, "d_mlp d_vocab_out"]
    reach: float

    @cached_property
    def kink(self) -> Float[Tensor, " d_mlp"]:
        """The running mean at which each neuron starts or stops to fire; not finite where no mean moves it."""
        return -self.bias / self.slope

    @cached_property
    def strength(self) -> Float[Tensor, " d_mlp"]:
        """How far a unit of mean moves the three logits apart, where the neuron fires."""
        return self.slope.abs() * (self.push.amax(-1) - self.push.amin(-1))

    @cached_property
    def fires_at_zero(self) -> Bool[Tensor, " d_mlp"]:
        """Whether each neuron fires at a running mean of zero."""
        return self.bias > 0

    @cached_property
    def fires(self) -> Bool[Tensor, " d_mlp"]:
        """Whether each neuron fires at some running mean. One that does not is no part of the function."""
        return self.bias + self.slope.abs() * self.reach > 0

    @cached_property
    def live(self) -> Bool[Tensor, " d_mlp"]:
        strength = self.strength * self.fires
        return (strength >= LIVE_FRACTION * strength.max()) & (strength > 0)

    @cached_property
    def own_side(self) -> Float[Tensor, " d_mlp"]:
        """The push on the class of the side on which a neuron fires: pos if it rises with the mean, else neg."""
        return torch.where(self.slope > 0, self.push[:, POS], self.push[:, NEG])

    @cached_property
    def other_side(self) -> Float[Tensor, " d_mlp"]:
        return torch.where(self.slope > 0, self.push[:, NEG], self.push[:, POS])

    @cached_property
    def zero(self) -> Float[Tensor, " d_mlp"]:
        return self.push[:, ZERO]


def read_neurons(model: CumsumTransformer) -> Neurons:
    """Read the neurons of the first layer off the weights."""
    program = first_layer(model)
    return Neurons(
        slope=program.pre_gain,
        bias=program.pre_token.mean(0) + program.pre_pos.mean(0),
        push=program.push - program.push.mean(-1, keepdim=True),
        reach=float(model.cfg.max_value),
    )
