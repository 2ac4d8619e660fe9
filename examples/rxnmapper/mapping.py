"""Reading a mapping off attention, and how often it is right."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from model import HEAD, LAYER, pattern
from reactions import Reaction

RESAMPLES = 2_000


@dataclass(frozen=True)
class AtomAttention:
    """Attention weights of one reaction from product atoms to reactant atoms, and those the other way, transposed."""

    reaction: Reaction
    forward: Float[Tensor, "layer head product reactant"]
    backward: Float[Tensor, "layer head product reactant"]


def attention(model, reactions: tuple[Reaction, ...]) -> list[AtomAttention]:
    """What all else is computed from: one pass of the model for each reaction."""
    result = []
    for reaction in reactions:
        weights = pattern(model, reaction)
        reactants, product = (torch.tensor(positions) + 1 for positions in reaction.atom_positions)
        forward = weights[:, :, product][:, :, :, reactants]
        backward = weights[:, :, reactants][:, :, :, product].transpose(-1, -2)
        result.append(AtomAttention(reaction, forward, backward))
    return result


def found(paid: list[AtomAttention], backward: bool = False, element: bool = True):
    """Whether each head of each layer attends most to a right atom, for every contested atom of every product.

    Returns one tensor (layer, head, atom) of booleans per reaction. `backward` reads the attention that the reactant
    atoms pay to the product; `element=False` admits reactant atoms of any element.
    """
    results = []
    for atom_attention in paid:
        weights = atom_attention.backward if backward else atom_attention.forward
        candidates, right = atom_attention.reaction.masks
        if element:
            weights = weights.masked_fill(~candidates, -1)
        hits = right.expand_as(weights).gather(-1, weights.argmax(-1, keepdim=True)).squeeze(-1)
        results.append(hits[:, :, atom_attention.reaction.contested])
    return results


def chance(reactions: tuple[Reaction, ...]) -> float:
    """How often a reactant atom drawn among those of the element is right, over the contested atoms."""
    return float(np.mean([len(r.right[i]) / len(r.candidates[i]) for r in reactions for i in r.contested]))


def rates(hits) -> Float[Tensor, "layer head"]:
    """The fraction of atoms found, over all reactions."""
    return torch.cat(hits, -1).double().mean(-1)


def resampled_rates(hits) -> Float[Tensor, "resample layer head"]:
    """The same for reactions drawn with replacement: atoms of one reaction are not independent, reactions are."""
    counts = torch.stack([h.sum(-1) for h in hits]).double()
    atoms = torch.tensor([h.shape[-1] for h in hits], dtype=torch.float64)
    times = resamples(len(hits))
    return torch.einsum("br,rlh->blh", times, counts) / (times @ atoms)[:, None, None]


def resamples(n_reactions: int) -> Float[Tensor, "resample reaction"]:
    """How many times each reaction is drawn, in as many draws as there are reactions (seed 0)."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(n_reactions, (RESAMPLES, n_reactions), generator=generator)
    ones = torch.ones(draws.shape, dtype=torch.float64)
    return torch.zeros_like(ones).scatter_add_(1, draws, ones)


def between(resampled: Float[Tensor, " resample"], value: float) -> tuple[float, float]:
    """The central 95 % of a bootstrap, extended to the value itself where the largest of many biases the resamples."""
    low, high = np.quantile(resampled.numpy(), [0.025, 0.975])
    return min(float(low), value), max(float(high), value)


def rate(hits, layer: int = LAYER, head: int = HEAD) -> tuple[float, tuple[float, float]]:
    """The fraction of atoms that one head finds, and its interval."""
    value = rates(hits)[layer, head].item()
    return value, between(resampled_rates(hits)[:, layer, head], value)


def some_atoms(hits, chosen: list[list[bool]]):
    """Keep the chosen atoms, one flag for each contested atom, and the reactions that have any."""
    kept = [h[:, :, torch.tensor(flags)] for h, flags in zip(hits, chosen, strict=True)]
    return [h for h in kept if h.shape[-1]]


def lead_over_other_heads(hits) -> tuple[float, tuple[float, float]]:
    """What head 5 of layer 10 finds more than the best head of any other number, in any layer.

    The best rival is chosen anew in every resample, so that the interval allows for the choice.
    """
    others = [head for head in range(hits[0].shape[1]) if head != HEAD]

    def lead(of):
        return of[..., LAYER, HEAD] - of[..., others].amax((-1, -2))

    value = lead(rates(hits)).item()
    return value, between(lead(resampled_rates(hits)), value)


def gain_of_the_best_layer(hits) -> tuple[float, tuple[float, float]]:
    """What head 5 finds in its best layer more than in layer 10, the best layer chosen anew in every resample."""

    def gain(of):
        return of[..., HEAD].amax(-1) - of[..., LAYER, HEAD]

    value = gain(rates(hits)).item()
    return value, between(gain(resampled_rates(hits)), value)


def weight_on_right_atoms(paid: list[AtomAttention]) -> tuple[float, tuple[float, float]]:
    """The attention weight of head 5, layer 10, on the right atoms, averaged over atoms and then over reactions."""
    weights = [
        (atom_attention.forward[LAYER, HEAD] * atom_attention.reaction.masks[1]).sum(-1).mean()
        for atom_attention in paid
    ]
    return mean_over_reactions(torch.stack(weights).double())


def mean_over_reactions(values: Float[Tensor, " reaction"]) -> tuple[float, tuple[float, float]]:
    """The mean of one number per reaction, and its interval."""
    value = values.mean().item()
    return value, between(resamples(len(values)) @ values / len(values), value)


def ratio(numerators, denominators) -> tuple[float, tuple[float, float]]:
    """The ratio of two sums over reactions, and its interval."""
    times = resamples(len(numerators))
    value = (numerators.sum() / denominators.sum()).item()
    return value, between((times @ numerators) / (times @ denominators), value)
