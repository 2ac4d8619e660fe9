"""Attention broken: it looks for something else, at other temperatures, or where it should not."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.surgery import QK, exchange, lesser_head, main_head, reread
from sorted_list_model.task import TASK
from toy_model.surgery import CannotBeMade, copied, rewired, with_scores_of

SHUNNED = 8.0
"""What is subtracted from the scores of a position that is shunned: e^8 = 3,000 times less attention."""

EXAGGERATION = 50.0


def exchange_QK(model: SortedListTransformer) -> SortedListTransformer:
    """The first two heads exchange what they look for and keep what they do with it.

    But for the numbers of these heads it is the same as exchanging what they do.
    """
    mutant = copied(model)
    exchange(mutant, QK)
    return mutant


def transpose_QK(model: SortedListTransformer) -> SortedListTransformer:
    """Queries and keys of every head exchange their matrices: each token looks for those that looked for it."""
    mutant = copied(model)
    attn = mutant.blocks[0].attn
    attn.W_Q.copy_(model.blocks[0].attn.W_K)
    attn.W_K.copy_(model.blocks[0].attn.W_Q)
    attn.b_Q.copy_(model.blocks[0].attn.b_K)
    attn.b_K.copy_(model.blocks[0].attn.b_Q)
    return mutant


def negate_keys(model: SortedListTransformer) -> SortedListTransformer:
    """Every score has the opposite sign: the heads attend to what they avoided."""
    mutant = copied(model)
    mutant.blocks[0].attn.W_K *= -1
    mutant.blocks[0].attn.b_K *= -1
    return mutant


def double_scores(model: SortedListTransformer) -> SortedListTransformer:
    """Every attention score is twice what it was: half the temperature."""
    return _at_temperature(model, 1 / 2)


def halve_scores(model: SortedListTransformer) -> SortedListTransformer:
    """Every attention score is half of what it was: twice the temperature."""
    return _at_temperature(model, 2)


def soften_scores(model: SortedListTransformer) -> SortedListTransformer:
    """Every attention score is a fifth smaller: nearly all answers are as before, with more doubt."""
    return _at_temperature(model, 1 / 0.8)


def attend_uniformly(model: SortedListTransformer) -> SortedListTransformer:
    """All scores are zero: the heads average over all tokens so far."""
    mutant = copied(model)
    mutant.blocks[0].attn.W_Q.zero_()
    mutant.blocks[0].attn.b_Q.zero_()
    return mutant


def untrained_attention_scores(model: SortedListTransformer) -> SortedListTransformer:
    """W_Q and W_K are as they were before training."""
    return with_scores_of(model, TASK.untrained(model.cfg, seed=0).to(model.device))


def see_every_number_one_higher(model: SortedListTransformer) -> SortedListTransformer:
    """Keys are those of the number one higher: what is attended to is one below what is looked for."""
    mutant = copied(model)
    matrix = reread(model, 1)
    attn = mutant.blocks[0].attn
    attn.W_K.copy_((matrix @ attn.W_K.double()).to(attn.W_K))
    return mutant


def attend_uniformly_in_main_head(model: SortedListTransformer) -> SortedListTransformer:
    """The scores of the main head are zero; the other head looks for what it did."""
    return _without_scores(model, main_head(model))


def attend_uniformly_in_lesser_head(model: SortedListTransformer) -> SortedListTransformer:
    """The scores of the lesser head are zero; the main head looks for what it did."""
    return _without_scores(model, lesser_head(model))


def take_SEP_for_the_last_number(model: SortedListTransformer) -> SortedListTransformer:
    """SEP has the position of the number before it."""
    mutant = copied(model)
    n = model.cfg.list_len
    mutant.pos_embed.W_pos[n] = model.W_pos[n - 1]
    return mutant


def forget_sorted_positions(model: SortedListTransformer) -> SortedListTransformer:
    """All sorted numbers have one position, the mean of theirs."""
    mutant, n = copied(model), _list_len_of_several_positions(model)
    mutant.pos_embed.W_pos[n + 1 :] = model.W_pos[n + 1 : 2 * n].mean(0)
    return mutant


def reverse_sorted_positions(model: SortedListTransformer) -> SortedListTransformer:
    """The positions of the sorted numbers run backwards: early ones are taken for late ones."""
    mutant, n = copied(model), _list_len_of_several_positions(model)
    mutant.pos_embed.W_pos[n + 1 : 2 * n] = model.W_pos[n + 1 : 2 * n].flip(0)
    return mutant


def shun_the_first_number(model: SortedListTransformer) -> SortedListTransformer:
    """No query looks at the first number of a list: the order of the unsorted half matters."""

    def shun(scores: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        shunned = scores.clone()
        shunned[:, :, model.cfg.list_len :, 0] -= SHUNNED
        return shunned

    return rewired(model, {"blocks.0.attn.hook_attn_scores": shun})


def exaggerate_unsorted_positions(model: SortedListTransformer) -> SortedListTransformer:
    """The positions of the unsorted half differ fifty times as much as they did."""
    mutant = copied(model)
    n = model.cfg.list_len
    mean = model.W_pos[:n].mean(0)
    mutant.pos_embed.W_pos[:n] = mean + EXAGGERATION * (model.W_pos[:n] - mean)
    return mutant


def attend_to_the_current_number(model: SortedListTransformer) -> SortedListTransformer:
    """Every query attends to its own position alone."""

    def own(pattern: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        return torch.eye(pattern.shape[-1], dtype=pattern.dtype, device=pattern.device).expand_as(pattern)

    return rewired(model, {"blocks.0.attn.hook_pattern": own})


def _list_len_of_several_positions(model: SortedListTransformer) -> int:
    """Raises CannotBeMade where no more than one sorted number is answered after."""
    if model.cfg.list_len < 3:
        raise CannotBeMade(f"lists of {model.cfg.list_len} have no two sorted numbers that another one follows")
    return model.cfg.list_len


def _at_temperature(model: SortedListTransformer, temperature: float) -> SortedListTransformer:
    mutant = copied(model)
    mutant.blocks[0].attn.W_Q /= temperature
    mutant.blocks[0].attn.b_Q /= temperature
    return mutant


def _without_scores(model: SortedListTransformer, head: int) -> SortedListTransformer:
    mutant = copied(model)
    mutant.blocks[0].attn.W_Q[head] = 0
    mutant.blocks[0].attn.b_Q[head] = 0
    return mutant
