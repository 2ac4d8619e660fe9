"""The heads by their roles: which one serves which numbers. Numbers of heads are an accident of the seed.

The *main* head is the one whose ablation costs more, the *lesser* head the other one. Responsible for a number is
the head that copies it more: whose OV circuit adds more to its logit when it is attended to.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sorted_list_model.data import SortedListDataset
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.ov_circuit import diagonals
from toy_model.behaviour import right_label_log_probabilities
from toy_model.engine import run
from toy_model.intervention import Ablation, positional_mean_heads, run_under


def falls_in_log_probability(
    model: SortedListTransformer, data: SortedListDataset, head: int, ablate: Ablation = positional_mean_heads
) -> Float[Tensor, "batch query"]:
    """By how much the log probability of each right answer falls when one head is ablated, in nats."""
    return _of_all(model, data) - _without(model, data, head, ablate)


def _of_all(model: SortedListTransformer, data: SortedListDataset) -> Float[Tensor, "batch query"]:
    """The log probability of each right answer, in nats, on the CPU."""
    return right_label_log_probabilities(run(model, data.toks, data.scored), data.targets).cpu()


def _without(
    model: SortedListTransformer, data: SortedListDataset, head: int, ablate: Ablation
) -> Float[Tensor, "batch query"]:
    """The same with one head ablated."""
    logits = run_under(model, data.toks, ablate([head]))[:, data.scored]
    return right_label_log_probabilities(logits, data.targets).cpu()


def costs(
    model: SortedListTransformer, data: SortedListDataset, ablate: Ablation = positional_mean_heads
) -> Float[Tensor, " head"]:
    """The mean of that over all answers that count, for each head."""
    ablated = [_without(model, data, head, ablate).mean() for head in range(model.cfg.n_heads)]
    return _of_all(model, data).mean() - torch.stack(ablated)


def by_importance(model: SortedListTransformer, data: SortedListDataset) -> list[int]:
    """The heads, the main one first."""
    return costs(model, data).argsort(descending=True).tolist()


def responsible_heads(model: SortedListTransformer) -> Int[Tensor, " number"]:
    """The head that copies each number most."""
    return diagonals(model).argmax(0)


def responsible_for(model: SortedListTransformer, numbers: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """The head that is responsible for each of these numbers."""
    return responsible_heads(model)[numbers.cpu()]


def of_responsible(
    per_head: Float[Tensor, "batch head query"], heads: Int[Tensor, "batch query"]
) -> Float[Tensor, "batch query"]:
    """What is measured of each head, for the head that is responsible at each query."""
    return per_head.gather(1, heads[:, None])[:, 0]


def costlier_targets(
    model: SortedListTransformer, data: SortedListDataset, head: int, than: int
) -> Bool[Tensor, " number"]:
    """For each number, whether ablating `head` costs more on average than ablating `than` where it is the answer."""
    without, instead = (_without(model, data, which, positional_mean_heads) for which in (head, than))
    differences = instead - without
    targets, n_numbers = data.targets.cpu().flatten(), model.cfg.max_value + 1
    totals = torch.zeros(n_numbers, dtype=torch.float64).index_add_(0, targets, differences.flatten())
    return totals > 0
