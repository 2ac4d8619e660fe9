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
from cumsum_model.explanation import first_layer
from cumsum_model.model import CumsumTransformer
from cumsum_model.scope import no_account_of

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
        if not len(strength):
            return self.fires
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


@dataclass(frozen=True)
class Role:
    """What a neuron of the first layer does.

    neuron    its number
    side      "neg" or "pos": the side of zero on which it fires; one that no mean moves counts as "neg"
    strength  logits that a unit of mean moves apart, where it fires
    kink      the running mean at which it starts to fire, at the average token and position; not finite
              where no mean moves it
    live      whether it has at least a twentieth of the strongest neuron's strength
    rank      1 for the strongest live neuron of its side; equals share a rank; None if it is dead
    of        how many live neurons its side has
    """

    neuron: int
    side: str
    strength: float
    kink: float
    live: bool
    rank: int | None
    of: int

    @property
    def name(self) -> str:
        """Such as "strongest of 2 that fire on positive means", or "dead"."""
        if self.rank is None:
            return "dead"
        means = "positive means" if self.side == "pos" else "negative means"
        if self.of == 1:
            return f"the only one that fires on {means}"
        return f"{'' if self.rank == 1 else _ordinal(self.rank) + ' '}strongest of {self.of} that fire on {means}"


def neuron_roles(model: CumsumTransformer) -> tuple[Role, ...]:
    """The role of every neuron of the first layer, in the order of their numbers.

    The same function in other weights has the same roles: neurons that are rescaled keep theirs, neurons that are
    renumbered take theirs along, and the basis of the stream does not enter.
    Raises ValueError for models that the account of neurons is not about, and says why.
    """
    _require_account(model)
    neurons = read_neurons(model)
    strength, live, kink = neurons.strength, neurons.live, neurons.kink
    rising = neurons.slope > 0
    stronger, beside = torch.zeros_like(strength, dtype=torch.long), torch.zeros_like(strength, dtype=torch.long)
    for side in (rising, ~rising):
        ascending = strength[side & live].sort().values
        beside[side] = len(ascending)
        stronger[side] = len(ascending) - torch.searchsorted(ascending, strength[side], right=True)
    return tuple(
        Role(
            neuron=neuron,
            side="pos" if rising[neuron] else "neg",
            strength=strength[neuron].item(),
            kink=kink[neuron].item(),
            live=bool(live[neuron]),
            rank=1 + int(stronger[neuron]) if live[neuron] else None,
            of=int(beside[neuron]),
        )
        for neuron in range(model.cfg.d_mlp)
    )


def no_neurons(model: CumsumTransformer) -> str | None:
    """Why what is said of every neuron is not about a model that has none."""
    return None if model.cfg.d_mlp else "this is about neurons, of which this model has none"


def no_live_neurons(model: CumsumTransformer) -> str | None:
    """As `scope.no_account_of`, for what is said of live neurons: why it is not about a model that has none."""
    reason = no_account_of(model)
    if reason is None and not read_neurons(model).live.any():
        reason = "this is about live neurons, in this model no neuron does anything"
    return reason


def nothing_to_compare(model: CumsumTransformer) -> str | None:
    """The same for what compares live neurons of one side."""
    reason = no_live_neurons(model)
    if reason is None and all(len(live_neurons(model, side)) < 2 for side in ("neg", "pos")):
        reason = "this compares live neurons of one side, the model has no two on any"
    return reason


def live_neurons(model: CumsumTransformer, side: str) -> list[int]:
    """The live neurons that fire on one side, "neg" or "pos", by number; ValueError as `neuron_roles`."""
    return [role.neuron for role in neuron_roles(model) if role.live and role.side == side]


def dead_neurons(model: CumsumTransformer) -> list[int]:
    """The neurons that are not live, by number; ValueError as `neuron_roles`."""
    return [role.neuron for role in neuron_roles(model) if not role.live]


def _require_account(model: CumsumTransformer) -> None:
    reason = no_account_of(model)
    if reason is not None:
        raise ValueError(f"neurons have no roles here: {reason}")


def _ordinal(number: int) -> str:
    """Such as "2nd", "3rd", "11th"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
