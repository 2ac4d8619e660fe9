"""What each neuron does, by name rather than by number: a number means nothing once a model is trained again.

A neuron of the first layer is told by the side of zero on which it fires and by how much it moves the logits apart.
Which neuron of one model plays the part of which neuron of another is told by their response curves: what each
adds to the logits as the running mean goes from one end to the other.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from cumsum_model.circuit import no_account_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import read_neurons

MEANS = 201
"""Running means at which response curves are compared, evenly spaced."""

ALIKE = 0.5
"""Neurons that are less alike than this have no part in common: more of what the two do differs than is shared."""


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


@dataclass(frozen=True)
class Part:
    """Which neuron of one model plays the part of which neuron of the other.

    neuron    of the one model; None where no neuron of it plays the part of `other`
    other     of the other model; None where `neuron` has no counterpart
    likeness  0 (they share nothing) to 1 (the same curve): see `match_neurons`; 0 where there is no counterpart
    dead      whether the neurons that are named are dead, so that there is no part to play
    """

    neuron: int | None
    other: int | None
    likeness: float
    dead: bool

    def __str__(self) -> str:
        """Such as "5 plays the part of 2 (0.93 alike)"."""
        if self.neuron is None:
            return f"the other's {self.other} is dead" if self.dead else f"none plays the part of {self.other}"
        if self.other is None:
            return f"{self.neuron} is dead" if self.dead else f"{self.neuron} has no counterpart"
        if self.dead:
            return f"{self.neuron} and {self.other} are both dead"
        return f"{self.neuron} plays the part of {self.other} ({self.likeness:.2f} alike)"


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


def live_neurons(model: CumsumTransformer, side: str) -> list[int]:
    """The live neurons that fire on one side, "neg" or "pos", by number; ValueError as `neuron_roles`."""
    return [role.neuron for role in neuron_roles(model) if role.live and role.side == side]


def dead_neurons(model: CumsumTransformer) -> list[int]:
    """The neurons that are not live, by number; ValueError as `neuron_roles`."""
    return [role.neuron for role in neuron_roles(model) if not role.live]


def response_curves(
    model: CumsumTransformer, means: Float[np.ndarray, " n_means"]
) -> Float[np.ndarray, "d_mlp n_means d_vocab_out"]:
    """What each neuron adds to the three logits at a running mean, in logits, centred over the labels.

    The current token and the position are held at their average; what is common to all labels changes no answer.
    """
    _require_account(model)
    neurons = read_neurons(model)
    mean = torch.from_numpy(means).to(neurons.push)
    post = (neurons.bias[:, None] + neurons.slope[:, None] * mean).relu()
    return (post[..., None] * neurons.push[:, None]).cpu().numpy()


def match_neurons(model: CumsumTransformer, other: CumsumTransformer) -> tuple[Part, ...]:
    """Which neuron of `model` plays the part of which neuron of `other`: a part for each neuron of `model`, in order,
    then one for each neuron of `other` that has no counterpart.

    How alike two neurons are is 1 - |a - b| / (|a| + |b|) of their response curves over the running means that both
    models know, where |.| sums sizes over means and labels. It is the share of what the two do that they do alike: 1
    for the same curve, 0 where they fire on different sides or push different ways, 2 r / (1 + r) where one is r
    times the other.

    Live neurons are paired with live ones, and dead ones with dead ones, so that the squared differences of their
    curves are the least in sum, where one without a partner counts as paired with a neuron that does nothing. So
    of those that differ in strength alone the strongest plays the part of the strongest. Live ones that are less
    than `ALIKE` alike have no counterpart.
    Raises ValueError for models that the account of neurons is not about, and says why.
    """
    from scipy.optimize import linear_sum_assignment

    reach = min(model.cfg.max_value, other.cfg.max_value)
    means = np.linspace(-reach, reach, MEANS)
    mine, theirs = (response_curves(which, means).reshape(which.cfg.d_mlp, -1) for which in (model, other))
    my_live, their_live = (np.array([role.live for role in neuron_roles(which)]) for which in (model, other))
    found: dict[int, Part] = {}
    for dead in (False, True):
        rows, columns = np.flatnonzero(my_live != dead), np.flatnonzero(their_live != dead)
        # |a - b|^2 is |a|^2 + |b|^2, what the two cost without a partner, less twice a . b: what pairing them saves.
        saved = np.maximum(mine[rows] @ theirs[columns].T, 0)
        for i, j in zip(*linear_sum_assignment(saved, maximize=True), strict=True):
            neuron, counterpart = int(rows[i]), int(columns[j])
            likeness = _likeness(mine[neuron], theirs[counterpart])
            if dead or likeness >= ALIKE:
                found[neuron] = Part(neuron, counterpart, likeness, dead)
    alone = set(range(other.cfg.d_mlp)) - {part.other for part in found.values()}
    return (
        *(found.get(i) or Part(i, None, 0.0, bool(~my_live[i])) for i in range(model.cfg.d_mlp)),
        *(Part(None, j, 0.0, bool(~their_live[j])) for j in sorted(alone)),
    )


@torch.no_grad()
def one_neuron_a_side(model: CumsumTransformer) -> CumsumTransformer:
    """A copy in which a single neuron does the work of all that fire on one side of zero, and another that of the rest.

    It reads what those of its side read on average, weighted by strength, and writes what they write in sum. If
    they differ in strength alone, it is the same function. Neurons that no mean moves are silenced.
    """
    neurons = read_neurons(model)
    merged = copy.deepcopy(model)
    mlp = merged.blocks[0].mlp
    W_in, b_in, W_out = (weights.double() for weights in (mlp.W_in, mlp.b_in, mlp.W_out))
    spread = neurons.push.amax(-1) - neurons.push.amin(-1)
    mlp.W_out[~neurons.fires] = 0
    for side in (neurons.fires & (neurons.slope > 0), neurons.fires & (neurons.slope < 0)):
        mlp.W_out[side] = 0
        total = neurons.strength[side].sum()
        if total > 0:
            first = int(side.nonzero()[0])
            mlp.W_in[:, first] = (W_in[:, side] @ spread[side] / total).float()
            mlp.b_in[first] = (b_in[side] @ spread[side] / total).float()
            mlp.W_out[first] = (neurons.slope[side].abs() @ W_out[side]).float()
    mlp.W_out[neurons.slope == 0] = 0
    return merged


def _likeness(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """See `match_neurons`; two that do nothing do the same."""
    done = np.abs(a).sum() + np.abs(b).sum()
    return 1 - float(np.abs(a - b).sum() / done) if done else 1.0


def _require_account(model: CumsumTransformer) -> None:
    reason = no_account_of(model)
    if reason is not None:
        raise ValueError(f"neurons have no roles here: {reason}")


def _ordinal(number: int) -> str:
    """Such as "2nd", "3rd", "11th"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
