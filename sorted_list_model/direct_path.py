"""The direct path: what the current token itself, past the heads, does to the answers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sorted_list_model.decomposition import direct_readouts
from sorted_list_model.model import SortedListTransformer


def direct_path(model: SortedListTransformer) -> Float[Tensor, "current answer"]:
    """What each current number adds to the logit of each number, relative to the mean over numbers.

    In logits but for the division by the final scale, mean over the positions of the sorted numbers but the last.
    """
    n, n_numbers = model.cfg.list_len, model.cfg.max_value + 1
    readouts = direct_readouts(model)[n + 1 : 2 * n, :n_numbers, :n_numbers].mean(0)
    return readouts - readouts.mean(-1, keepdim=True)


def by_offset(model: SortedListTransformer) -> Float[Tensor, " offset"]:
    """The mean of that by how far the answer is above the current number: offsets -max_value .. +max_value."""
    path = direct_path(model)
    n = len(path)
    return torch.stack([path.diagonal(offset).mean() for offset in range(1 - n, n)])
