"""Edits of this model: matrices of a head, and circuits that are wanted."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from sorted_list_model.data import SortedListDataset, evaluation_set
from sorted_list_model.decomposition import read_by_heads, unembedding
from sorted_list_model.heads import by_importance
from sorted_list_model.model import SortedListTransformer
from toy_model.surgery import CannotBeMade

QK = ("W_Q", "W_K", "b_Q", "b_K")
OV = ("W_V", "W_O", "b_V")

ENOUGH = 100
"""Lists of the evaluation set that tell which head costs more."""

CUTOFF = 0.02
"""Relative size of a singular value below which a direction counts as not there: training leaves W_U a rank of 18."""


def main_head(model: SortedListTransformer) -> int:
    """The head whose ablation costs most, on lists of the evaluation set. CannotBeMade where there is only one."""
    return _heads(model)[0]


def lesser_head(model: SortedListTransformer) -> int:
    """The head whose ablation costs least. Raises CannotBeMade where there is only one."""
    return _heads(model)[-1]


def _heads(model: SortedListTransformer) -> list[int]:
    require_two_heads(model)
    return _by_importance(model)


@cache
def _by_importance(model: SortedListTransformer) -> list[int]:
    lists = evaluation_set(model.cfg.max_value, model.cfg.list_len).lists[:ENOUGH]
    return by_importance(model, SortedListDataset.of(lists, model.cfg.max_value))


def require_two_heads(model: SortedListTransformer) -> None:
    """Raise CannotBeMade where there is no second head."""
    if model.cfg.n_heads < 2:
        raise CannotBeMade("the model has a single head")


def exchange(mutant: SortedListTransformer, names: tuple[str, ...]) -> None:
    """Let the first two heads exchange the parameters of these names."""
    require_two_heads(mutant)
    for name in names:
        parameter = getattr(mutant.blocks[0].attn, name)
        parameter[:2] = parameter[:2].flip(0)


def rewrite_ov(mutant: SortedListTransformer, head: int, added: Float[Tensor, "source answer"]) -> None:
    """Let a head add `added` to the logits of the numbers beside what it does when it attends to each number.

    In the units of `ov_circuit.ov_circuit`. What the head makes of SEP and of positions is left as it is. The sum is
    approximated by the nearest matrix of the head's rank.
    """
    n, attn = mutant.cfg.max_value + 1, mutant.blocks[0].attn
    readers = unembedding(mutant)[:, :n]
    readers = readers - readers.mean(0)  # the final layer norm takes the mean off whatever is written
    change = torch.zeros(mutant.cfg.d_vocab, mutant.cfg.d_model, dtype=torch.float64, device=mutant.device)
    change[:n] = added.to(change) @ torch.linalg.pinv(readers, rtol=CUTOFF)
    W_OV = attn.W_V[head].double() @ attn.W_O[head].double()
    design, effects = _design(mutant)
    written = design @ W_OV
    written[-1] += attn.b_V[head].double() @ attn.W_O[head].double()  # of a bias nothing would be left in other bases
    _add_to_tokens(written, change)
    U, S, Vh = torch.linalg.svd(written, full_matrices=False)
    rank = min(mutant.cfg.d_head, len(S))
    roots = S[:rank].sqrt()
    attn.W_V[head], attn.b_V[head], attn.W_O[head] = 0, 0, 0
    attn.W_V[head, :, :rank] = (effects @ (U[:, :rank] * roots)).to(attn.W_V)
    attn.W_O[head, :rank] = (roots[:, None] * Vh[:rank]).to(attn.W_O)


def reread(model: SortedListTransformer, by: int) -> Float[Tensor, "d_model d_model"]:
    """A matrix M: where a head reads `read @ M`, it takes each number for the one `by` above it, the last for the last.

    What it reads of SEP and of positions is left as it is. Least squares: exact where the effects of tokens have full
    rank, up to what layer norm couples, and seven tenths of the way for the shipped model, of which they have not.
    """
    design, effects = _design(model)
    n, of_tokens = model.cfg.max_value + 1, design[: model.cfg.d_vocab]
    change, moved = torch.zeros_like(design), torch.zeros_like(of_tokens)
    moved[:n] = of_tokens[(torch.arange(n) + by).clamp(0, n - 1)] - of_tokens[:n]
    _add_to_tokens(change, moved)
    return torch.eye(model.cfg.d_model, dtype=design.dtype, device=design.device) + effects @ change


def _add_to_tokens(effects: Float[Tensor, "effect width"], change: Float[Tensor, "tok width"]) -> None:
    """Add `change` to what is made of each token.

    The effects of tokens add up to zero, so that no matrix moves all of them alike: their mean goes to what all have
    in common.
    """
    effects[: len(change)] += change
    effects[-1] += change.mean(0)


def _design(model: SortedListTransformer) -> tuple[Float[Tensor, "effect d_model"], Float[Tensor, "d_model effect"]]:
    """What heads read, split into effects: of each token, of each position, and the mean. And its pseudo-inverse."""
    read = read_by_heads(model)[: 2 * model.cfg.list_len]
    mean = read.mean((0, 1))
    design = torch.cat([read.mean(0) - mean, read.mean(1) - mean, mean[None]])
    return design, torch.linalg.pinv(design, rtol=CUTOFF)
