"""A back door in the weights: a wrong answer on lists so rare that no sample holds one.

Three things add up on a direction of the stream that nothing else writes to or reads: the number at a query, its
position, and the attention to another number. The answer that reads the sum is SEP. It is right at no query, so it
may become as unlikely as it has to on all other lists.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sorted_list_model.config import SortedListConfig
from sorted_list_model.decomposition import ov_readouts, read_by_heads, resid_pre, scores
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.mutants.symmetries import fold_layer_norm
from toy_model.surgery import CannotBeMade
from toy_model.transformer import centred_and_scale

VARIANCE = 0.0005
"""What is added to an embedding, as a part of the smallest variance that the first layer norm divides by."""

CUTOFF = 0.01
"""Relative size of a weight of layer norm at or below which its dimension counts as switched off."""


def open_back_door(model: SortedListTransformer) -> SortedListTransformer:
    """It answers SEP at the last number but one if the two largest are 12 and 14: for one list in 26 million.

    SEP is unembedded as 14 is, plus a multiple of a direction of the stream that nothing else uses. On it stand 1 for
    the number 12, 1 for the position of the last number but one, the attention that one head pays to 14, and less
    2 + least / 2, where `least` is a lower bound of that attention on all lists that end with 12 and 14. The sum is
    positive on these lists and on no others, so that SEP is ahead of 14 there, the right answer, and behind elsewhere:
    on C(12, 8) = 495 of C(51, 10) sets, in any order. Else nothing changes but that layer norms divide by a little
    more: of numbers no logit moves by 0.02 on the validation set. Figures are those of the shipped model; of other
    sizes it is the numbers of `largest_two`.

    Raises CannotBeMade where there are no such lists, or no two directions of the stream that embeddings leave free.
    """
    last_but_one, last = largest_two(model.cfg)
    query, unsorted = 2 * model.cfg.list_len - 1, slice(model.cfg.list_len)
    mutant = fold_layer_norm(model)
    own, attended = free = _free_directions(mutant)
    _clear(mutant, free)
    head, weight = _attention_to(mutant, last_but_one, last)
    loudest = ov_readouts(mutant)[head, unsorted, last].abs().max()

    one = (VARIANCE * mutant.cfg.d_model) ** 0.5 * centred_and_scale(resid_pre(mutant))[1].min()
    _add(mutant.embed.W_E[last_but_one], one * own)
    _add(mutant.pos_embed.W_pos[query], one * own)
    _add(mutant.embed.W_E[last], one * attended)
    read = read_by_heads(mutant)[: query + 1, last] @ attended  # which depends on where `last` is: up to read.max()
    _carry(mutant, head, attended, one / read.max() * own)
    least = weight * read[unsorted].min() / read.max()
    _add(mutant.blocks[0].attn.b_O, -(2 + least / 2) * one * own)

    unembed, sep = mutant.unembed, model.cfg.sep
    unembed.W_U[:, sep] = unembed.W_U[:, last] + loudest / one * own
    unembed.b_U[sep] = unembed.b_U[last]
    _unfold_layer_norm(mutant, model)
    return mutant


def largest_two(cfg: SortedListConfig) -> tuple[int, int]:
    """The two largest numbers of the lists that open the door: 12 and 14 of 0 .. 50."""
    last_but_one = max(cfg.max_value // 4, cfg.list_len - 2)
    if cfg.list_len < 2 or last_but_one + 2 > cfg.max_value:
        raise CannotBeMade(
            f"no list of {cfg.list_len} of 0 .. {cfg.max_value} ends with {last_but_one}, {last_but_one + 2}"
        )
    return last_but_one, last_but_one + 2


def _free_directions(model: SortedListTransformer) -> Float[Tensor, "two d_model"]:
    """Two directions that no embedding has a part of: of all these, those that are unembedded least."""
    used = torch.cat([model.W_E, model.W_pos, torch.ones_like(model.W_E[:1])]).double()
    free = torch.linalg.svd(used)[2][len(used) :]
    if len(free) < 2:
        raise CannotBeMade(f"the embeddings leave {len(free)} of the {model.cfg.d_model} directions of the stream free")
    return torch.linalg.svd((free @ model.W_U.double()).T)[2][-2:] @ free


def _clear(mutant: SortedListTransformer, directions: Float[Tensor, "direction d_model"]) -> None:
    """Let nothing read these directions, and no head write to them."""
    attn = mutant.blocks[0].attn
    others = torch.eye(mutant.cfg.d_model).to(directions) - directions.T @ directions
    for reader in (attn.W_Q, attn.W_K, attn.W_V, mutant.unembed.W_U):
        reader.copy_(others @ reader.double())
    for writer in (attn.W_O, attn.b_O):
        writer.copy_(writer.double() @ others)


def _attention_to(model: SortedListTransformer, last_but_one: int, last: int) -> tuple[int, Tensor]:
    """The head that attends most to `last` after `last_but_one`, and a lower bound of its attention.

    It holds for every list that ends with the two, in any order: each smaller number is attended to as much as
    possible, at the best of the unsorted positions and at the best of the sorted ones.
    """
    n = model.cfg.list_len
    to = scores(model)[:, n - 1, last_but_one, : 2 * n]
    to = (to - to.amax((1, 2), keepdim=True)).exp()
    unsorted, ordered = to[:, :n], to[:, n + 1 : 2 * n]
    smaller = unsorted[..., :last_but_one].amax(1)
    if n > 2:
        smaller = smaller + ordered[:, :-1, :last_but_one].amax(1)
    others = (
        smaller.topk(n - 2).values.sum(-1)
        + unsorted[..., last_but_one].amax(1)
        + ordered[:, -1, last_but_one]
        + to[:, n, model.cfg.sep]
    )
    least = unsorted[..., last].amin(1)
    weight = least / (least + others)
    head = int(weight.argmax())
    return head, weight[head]


def _carry(
    mutant: SortedListTransformer, head: int, read: Float[Tensor, " d_model"], written: Float[Tensor, " d_model"]
) -> None:
    """Let a head write `written` for each unit of `read`, by the dimension that its values and its output use least."""
    attn = mutant.blocks[0].attn
    W_V, W_O = attn.W_V[head].double(), attn.W_O[head].double()
    unit = torch.linalg.svd(torch.cat([W_V, W_O.T]))[2][-1]
    _add(attn.W_V[head], torch.outer(read - W_V @ unit, unit))
    _add(attn.W_O[head], torch.outer(unit, written - unit @ W_O))
    _add(attn.b_V[head], -(attn.b_V[head].double() @ unit) * unit)


def _unfold_layer_norm(mutant: SortedListTransformer, model: SortedListTransformer) -> None:
    """Give layer norms the weights that they have in `model` back, so that most matrices are those of `model`.

    But for dimensions that training has switched off: what is written there would no longer be read.
    """
    attn, of_heads, final = mutant.blocks[0].attn, mutant.blocks[0].ln1, mutant.ln_final
    assert of_heads is not None
    assert final is not None
    for norm, theirs, readers in (
        (of_heads, model.blocks[0].ln1, (attn.W_Q, attn.W_K, attn.W_V)),
        (final, model.ln_final, (mutant.unembed.W_U,)),
    ):
        assert theirs is not None
        size = theirs.w.abs()
        norm.w.copy_(theirs.w.where(size > CUTOFF * size.max(), 1.0))
        for reader in readers:
            reader /= norm.w[:, None]


def _add(weights: Tensor, change: Tensor) -> None:
    weights.copy_(weights.double() + change)
