"""The mapping procedure of rxnmapper: greedy, with the attention between neighbours of mapped atoms multiplied.

Attention in both directions is added, limited to atoms of one element, and normalised over the reactant atoms. The
largest entry maps an atom; both atoms are then out of the race, and the entries between their neighbours are multiplied
by 90. The confidence of a reaction is the product of the entries that were taken.
Source: rxnmapper 0.4.3, default settings; Schwaller et al. 2021.
"""

from math import prod

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mapping import AtomAttention
from model import HEAD, LAYER

MULTIPLIER = 90.0


def map_atoms(paid: AtomAttention, multiplier: float = MULTIPLIER) -> tuple[dict[int, int], float]:
    """Return the reactant atom of each product atom that has one, and the confidence."""
    reaction = paid.reaction
    weights = (paid.forward + paid.backward)[LAYER, HEAD] * reaction.masks[0]
    weights = weights.double().numpy()
    mapping, confidences = {}, []
    for _ in range(len(weights)):
        sums = weights.sum(1, keepdims=True)
        normalised = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
        atom, source = map(int, np.unravel_index(normalised.argmax(), weights.shape))
        if np.isclose(normalised[atom, source], 0):
            break
        mapping[atom] = source
        confidences.append(normalised[atom, source])
        weights[np.ix_(list(reaction.product.neighbours[atom]), list(reaction.reactants.neighbours[source]))] *= (
            multiplier
        )
        weights[atom] = 0
        weights[:, source] = 0
    return mapping, prod(confidences)


def errors(paid: list[AtomAttention], multiplier: float = MULTIPLIER) -> Float[Tensor, " reaction"]:
    """Per reaction, how many contested atoms the procedure maps wrongly or not at all."""
    counts = []
    for atom_attention in paid:
        mapping, _ = map_atoms(atom_attention, multiplier)
        counts.append(
            sum(mapping.get(i) not in atom_attention.reaction.right[i] for i in atom_attention.reaction.contested)
        )
    return torch.tensor(counts, dtype=torch.float64)
