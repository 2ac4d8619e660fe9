"""What the heads attend to: the next larger number, how surely, and what position has to do with it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import Decomposition, scores
from sorted_list_model.model import SortedListTransformer


def attends_most_to_next(parts: Decomposition, data: SortedListDataset) -> Bool[Tensor, "batch head query"]:
    """Whether the next number of the list gets more attention than any other token, by head."""
    most = parts.pattern.argmax(-1)
    return most == parts.index_of(data.targets.cpu())[:, None]


def larger_numbers(data: SortedListDataset) -> Bool[Tensor, "batch query unsorted"]:
    """Which numbers of the unsorted half are larger than the current one; at SEP all are."""
    current = data.current.cpu()
    floor = torch.where(current > data.max_value, -1, current)
    return data.lists.cpu()[:, None] > floor[:, :, None]


def prefers_next(parts: Decomposition, data: SortedListDataset) -> Bool[Tensor, "batch head query"]:
    """Whether the next number gets the most attention of all larger ones, by head."""
    n = data.lists.shape[-1]
    among = parts.pattern[..., :n].masked_fill(~larger_numbers(data)[:, None], -1)
    return among.argmax(-1) == parts.index_of(data.targets.cpu())[:, None]


def attends_more_to_second(parts: Decomposition, data: SortedListDataset) -> Bool[Tensor, "batch head triple"]:
    """For three successive numbers x < y < z, whether z gets more attention than y where x is the current one."""
    y, z = pairs(data)
    return parts.attention_to(z)[:, :, 1:] > parts.attention_to(y)[:, :, 1:]


def pairs(data: SortedListDataset) -> tuple[Int[Tensor, "batch query"], Int[Tensor, "batch query"]]:
    """The next number y and the one after it, z, for each query that has both: SEP and all sorted but the last two."""
    targets = data.targets.cpu()
    return targets[:, :-1], targets[:, 1:]


def position_circuit(model: SortedListTransformer) -> Float[Tensor, "head query_pos key_tok"]:
    """W_pos W_QK W_E, the circuit that the solution draws: nothing is divided by layer norm's scale or sqrt(d_head)."""
    attn, norm, n = model.blocks[0].attn, model.blocks[0].ln1, model.cfg.list_len
    assert norm is not None
    centred = {
        name: (matrix.double() - matrix.double().mean(-1, keepdim=True)) * norm.w.double()
        for name, matrix in (("W_pos", model.W_pos), ("W_E", model.W_E))
    }
    W_QK = attn.W_Q.double() @ attn.W_K.double().mT
    return centred["W_pos"][n : 2 * n] @ W_QK @ centred["W_E"].T


def token_circuit(model: SortedListTransformer) -> Float[Tensor, "head query_tok key_tok"]:
    """The score of every token for every number, mean over query positions after SEP and unsorted key positions."""
    n = model.cfg.list_len
    return scores(model)[:, 1:, :, :n].mean((1, 3))


def bias_to_smallest(
    model: SortedListTransformer, current: int, smallest: int = 3, above: int = 2
) -> Float[Tensor, "head query_pos"]:
    """The score of the `smallest` numbers 0, 1, .. less that of the `above` ones just above `current`, by position.

    Mean over unsorted key positions. Positions are those of the sorted numbers but the last.
    """
    n = model.cfg.list_len
    per_key = scores(model)[:, 1:, current, :n].mean(2)
    return per_key[..., :smallest].mean(-1) - per_key[..., current + 1 : current + 1 + above].mean(-1)


def spread_over_unsorted_positions(
    model: SortedListTransformer,
) -> tuple[Float[Tensor, " head"], Float[Tensor, " head"]]:
    """How far scores for one number differ between unsorted positions, and those for one position between numbers.

    By head: the median over queries and over what is held fixed of the largest score less the smallest.
    """
    n, n_numbers = model.cfg.list_len, model.cfg.max_value + 1
    per_key = scores(model)[:, 1:, :n_numbers, :n, :n_numbers]
    over_positions = per_key.amax(3) - per_key.amin(3)
    over_numbers = per_key.amax(4) - per_key.amin(4)
    return over_positions.flatten(1).median(-1).values, over_numbers.flatten(1).median(-1).values
