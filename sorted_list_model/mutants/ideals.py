"""What the solution says of its model, made exactly true, so that sentences false of the real model are true here."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sorted_list_model.model import SortedListTransformer
from toy_model.surgery import CannotBeMade, rewired


def attend_to_next_alone(model: SortedListTransformer) -> SortedListTransformer:
    """Every head attends to the smallest number that is larger than the current one, and to nothing else."""
    return _attending(model, 0)


def attend_to_second_next_alone(model: SortedListTransformer) -> SortedListTransformer:
    """Every head attends to the second smallest number that is larger than the current one, and to nothing else."""
    return _attending(model, 1)


def _attending(model: SortedListTransformer, rank: int) -> SortedListTransformer:
    """Every head attends to the larger number of this rank alone, at SEP and the sorted numbers but the last.

    Where no more than `rank` are larger, it attends to some number that is not.
    """
    n, sep = model.cfg.list_len, model.cfg.sep
    if rank >= n:
        raise CannotBeMade(f"lists of {n} have no {rank + 1} larger numbers")
    toks: list[Int[Tensor, "batch pos"]] = []

    def see(embed: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        toks[:] = [(embed @ model.W_E.T - model.W_E.square().sum(-1) / 2).argmax(-1)]
        return embed

    def attend(pattern: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        seen = toks[0]
        current = torch.where(seen == sep, -1, seen)[:, n:, None]
        numbers = seen[:, None, :n]
        ordered = torch.where(numbers > current, numbers, sep).argsort(dim=-1, stable=True)
        chosen = ordered[..., rank]
        attended = pattern.clone()
        attended[:, :, n:] = torch.nn.functional.one_hot(chosen, pattern.shape[-1]).to(pattern)[:, None]
        return attended

    return rewired(model, {"hook_embed": see, "blocks.0.attn.hook_pattern": attend})
