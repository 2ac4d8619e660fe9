"""What the network was trained for: predicting tokens that are masked, here atoms of the product."""

from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from mapping import between, resamples
from model import HEAD, attention_module, rows_of, token_ids, vocabulary
from reactions import Reaction


@torch.no_grad()
def masked_losses(model, reactions: tuple[Reaction, ...]) -> list[Float[Tensor, " masked"]]:
    """Cross-entropy, in nats, of the atoms of each product with half of them (drawn once, seed 0) masked."""
    generator = torch.Generator().manual_seed(0)
    losses = []
    for reaction in reactions:
        ids = token_ids(model, reaction)
        product = torch.tensor(reaction.atom_positions[1]) + 1
        masked = product[torch.randperm(len(product), generator=generator)[: (len(product) + 1) // 2]]
        truth = ids[0, masked]
        ids[0, masked] = vocabulary()["[MASK]"]
        losses.append(torch.nn.functional.cross_entropy(model(ids).logits[0, masked], truth, reduction="none").cpu())
    return losses


@contextmanager
def without_head(model, head: int):
    """Remove what one head writes to the residual stream, in all layers: zero its columns of W_O, then restore them."""
    columns = attention_module(model).dense.weight.data[:, rows_of(head)]
    before = columns.clone()
    columns.zero_()
    try:
        yield
    finally:
        columns.copy_(before)


def losses_without_each_head(model, reactions: tuple[Reaction, ...]) -> Float[Tensor, "head_or_none reaction"]:
    """Summed loss of each reaction without head 0, 1, ... 7, and last with all heads."""
    rows = []
    for head in range(model.config.num_attention_heads):
        with without_head(model, head):
            rows.append(_sums(masked_losses(model, reactions)))
    return torch.stack([*rows, _sums(masked_losses(model, reactions))])


def _sums(losses) -> Float[Tensor, " reaction"]:
    return torch.stack([of_reaction.double().sum() for of_reaction in losses])


def n_masked(reactions: tuple[Reaction, ...]) -> Float[Tensor, " reaction"]:
    return torch.tensor([(len(r.product.atoms) + 1) // 2 for r in reactions], dtype=torch.float64)


def rises(sums, reactions: tuple[Reaction, ...], times=None) -> Float[Tensor, "resample head"]:
    """By how much the mean loss per masked atom rises without each head; `times` as in `mapping.resamples`."""
    times = torch.ones(1, len(reactions), dtype=torch.float64) if times is None else times
    means = times @ sums.T / (times @ n_masked(reactions))[:, None]
    return means[:, :-1] - means[:, -1:]


def rise_without_the_head(sums, reactions: tuple[Reaction, ...]) -> tuple[float, tuple[float, float]]:
    value = rises(sums, reactions)[0, HEAD].item()
    return value, between(rises(sums, reactions, resamples(len(reactions)))[:, HEAD], value)


def rise_above_twice_any_other(sums, reactions: tuple[Reaction, ...]) -> tuple[float, tuple[float, float]]:
    """The rise without head 5, less twice the largest without another head, that one chosen anew in every resample."""

    def excess(of):
        others = of.clone()
        others[:, HEAD] = -torch.inf
        return of[:, HEAD] - 2 * others.amax(-1)

    value = excess(rises(sums, reactions)).item()
    return value, between(excess(rises(sums, reactions, resamples(len(reactions)))), value)


def mean_loss(losses, reactions: tuple[Reaction, ...]) -> tuple[float, tuple[float, float]]:
    """The mean over all masked atoms, in nats, and its interval."""
    sums, times = _sums(losses), resamples(len(reactions))
    value = (sums.sum() / n_masked(reactions).sum()).item()
    return value, between(times @ sums / (times @ n_masked(reactions)), value)
