"""What each neuron of the first layer reads along u, and what it adds to the three logits.

Feed resid_mid = k u and a neuron's pre-activation is the line `slope * k + b_in`: it fires on one side
of its kink, and pushes each logit by `push` per unit of activation. Source: write-up, Analysing neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cumsum_model.circuit import value_direction
from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.model import CumsumTransformer

LIVE_SHARE = 1 / 20
"""A neuron is live if it has at least this share of the strongest neuron's strength."""


@dataclass(frozen=True)
class Neurons:
    """The neurons of a layer, in float64.

    slope  change of the pre-activation per unit along u
    bias   pre-activation at k = 0
    push   change of each logit (neg, zero, pos) per unit of activation
    """

    slope: Float[Tensor, " d_mlp"]
    bias: Float[Tensor, " d_mlp"]
    push: Float[Tensor, "d_mlp d_vocab_out"]

    @cached_property
    def kink(self) -> Float[Tensor, " d_mlp"]:
        """The k at which each neuron starts or stops to fire."""
        return -self.bias / self.slope

    @cached_property
    def strength(self) -> Float[Tensor, " d_mlp"]:
        """How far a unit along u moves the three logits apart, where the neuron fires."""
        return self.slope.abs() * (self.push.amax(-1) - self.push.amin(-1))

    @cached_property
    def live(self) -> Bool[Tensor, " d_mlp"]:
        return (self.strength >= LIVE_SHARE * self.strength.max()) & (self.strength > 0)

    @cached_property
    def own_side(self) -> Float[Tensor, " d_mlp"]:
        """The push on the class of the side on which a neuron fires: pos if it rises along u, else neg."""
        return torch.where(self.slope > 0, self.push[:, POS], self.push[:, NEG])

    @cached_property
    def other_side(self) -> Float[Tensor, " d_mlp"]:
        return torch.where(self.slope > 0, self.push[:, NEG], self.push[:, POS])

    @cached_property
    def zero(self) -> Float[Tensor, " d_mlp"]:
        return self.push[:, ZERO]


def read_neurons(model: CumsumTransformer) -> Neurons:
    """Read the neurons of the first layer off the weights."""
    mlp = model.blocks[0].mlp
    return Neurons(
        slope=value_direction(model) @ mlp.W_in.double(),
        bias=mlp.b_in.double(),
        push=mlp.W_out.double() @ model.W_U.double(),
    )
