"""What attention to a number does to the answers: the OV circuit of each head, through both layer norms' weights.

Every readout here is in logits relative to the mean over answers, but for the division by the final scale, exact for
a number that stands at an unsorted position, and averaged over these positions unless said otherwise.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sorted_list_model.decomposition import ov_readouts, readout
from sorted_list_model.model import SortedListTransformer


def ov_circuit(model: SortedListTransformer) -> Float[Tensor, "head source answer"]:
    """What each head adds to the logit of each number when it attends to each number, mean over unsorted positions."""
    return by_position(model).mean(1)


def by_position(model: SortedListTransformer) -> Float[Tensor, "head pos source answer"]:
    """The same for each unsorted position by itself."""
    n_numbers = model.cfg.max_value + 1
    return ov_readouts(model)[:, : model.cfg.list_len, :n_numbers, :n_numbers]


def diagonals(model: SortedListTransformer) -> Float[Tensor, "head number"]:
    """How much each head copies each number: what attention to it adds to its own logit."""
    return ov_circuit(model).diagonal(dim1=-2, dim2=-1)


def copied(model: SortedListTransformer) -> Bool[Tensor, "head number"]:
    """Whether attention to each number raises its own logit more than any other, wherever it stands."""
    circuit = by_position(model)
    own = circuit.diagonal(dim1=-2, dim2=-1)
    others = circuit.masked_fill(torch.eye(circuit.shape[-1], dtype=torch.bool), -torch.inf).amax(-1)
    return (own > others).all(1)


def boosts(model: SortedListTransformer, head_of_source: Tensor) -> Float[Tensor, "source answer"]:
    """What attention to each source adds to each number beyond what it adds to numbers on average.

    `head_of_source` has the head that is looked at for each source.
    """
    circuit = ov_circuit(model)
    chosen = circuit[head_of_source, torch.arange(circuit.shape[1])]
    return chosen - chosen.mean(-1, keepdim=True)


def boosts_by_offset(boost: Float[Tensor, "source answer"], offset: int) -> Float[Tensor, " source"]:
    """The boost of the number that is `offset` above each source, for the sources that have one.

    >>> boosts_by_offset(torch.arange(9.0).view(3, 3), 1).tolist()
    [1.0, 5.0]
    """
    return boost.diagonal(offset)


def suppressors(boost: Float[Tensor, "source answer"], within: int = 5) -> tuple[int, int]:
    """Of pairs y < z at most `within` apart: how many boost y by z more than z by y, and how many there are."""
    n = len(boost)
    pairs = [(y, z) for y in range(n) for z in range(y + 1, min(y + within, n - 1) + 1)]
    return sum(bool(boost[z, y] > boost[y, z]) for y, z in pairs), len(pairs)


def without_layer_norm(model: SortedListTransformer, head: int) -> Float[Tensor, "source answer"]:
    """W_E W_OV W_U, the circuit that the solution draws: folded layer norm weights, no division by its scales."""
    attn, norm = model.blocks[0].attn, model.blocks[0].ln1
    assert norm is not None
    W_OV = attn.W_V[head].double() @ attn.W_O[head].double()
    W_E = model.W_E.double()
    return readout(model, ((W_E - W_E.mean(-1, keepdim=True)) * norm.w.double()) @ W_OV)
