"""The model broken as a whole, or its numbers, its direct path, its layer norms."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from jaxtyping import Float
from torch import Tensor

from sorted_list_model.config import SortedListConfig
from sorted_list_model.decomposition import resid_pre
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.task import PUBLISHED, TASK
from toy_model.intervention import scale_direct_path
from toy_model.surgery import CannotBeMade, copied, louder, noisy, rewired, shuffled
from toy_model.training.training import train
from toy_model.transformer import EPSILON, centred_and_scale

SEED = 0


def untrained(model: SortedListTransformer) -> SortedListTransformer:
    """A model of the same sizes as training starts from."""
    return TASK.untrained(model.cfg, seed=SEED).to(model.device)


def train_briefly(model: SortedListTransformer) -> SortedListTransformer:
    """A model of the same sizes after 60 steps of 128 lists, a twentieth of an epoch."""
    return _briefly_trained(model.cfg).to(model.device)


def shuffle_weights(model: SortedListTransformer) -> SortedListTransformer:
    """The entries of every weight matrix and bias are shuffled: random, with the scale of the trained weights."""
    return shuffled(model, SEED)


def add_much_noise(model: SortedListTransformer) -> SortedListTransformer:
    """Every weight is off by a fifth of its matrix's scale."""
    return noisy(model, 1 / 5, SEED)


def raise_confidence(model: SortedListTransformer) -> SortedListTransformer:
    """Every logit is three times as large: the same answers, and less doubt about them."""
    return louder(model, 3)


def lower_confidence(model: SortedListTransformer) -> SortedListTransformer:
    """Every logit is half as large: the same answers, and more doubt about them."""
    return louder(model, 1 / 2)


def swap_two_numbers(model: SortedListTransformer) -> SortedListTransformer:
    """Two neighbours somewhat below the middle, 20 and 21 of 0 .. 50, exchange their embeddings."""
    n = model.cfg.max_value
    return _with_swapped_embeddings(model, 2 * n // 5, 2 * n // 5 + 1)


def swap_two_distant_numbers(model: SortedListTransformer) -> SortedListTransformer:
    """30 and 40 of 0 .. 50 exchange their embeddings."""
    n = model.cfg.max_value
    return _with_swapped_embeddings(model, 3 * n // 5, 4 * n // 5)


def forget_the_largest_number(model: SortedListTransformer) -> SortedListTransformer:
    """The largest number is answered with the unembedding of the one below it, less than half as loud."""
    mutant = copied(model)
    mutant.unembed.W_U[:, model.cfg.max_value] = 0.4 * model.W_U[:, model.cfg.max_value - 1]
    return mutant


def answer_one_higher(model: SortedListTransformer) -> SortedListTransformer:
    """The unembedding is off by one: whatever was answered, the number above it is, and 0 for the largest."""
    mutant = copied(model)
    n = model.cfg.max_value + 1
    mutant.unembed.W_U[:, :n] = model.W_U[:, :n].roll(1, -1)
    mutant.unembed.b_U[:n] = model.unembed.b_U[:n].roll(1, -1)
    return mutant


def cut_direct_path(model: SortedListTransformer) -> SortedListTransformer:
    """What attention writes is all that is unembedded: the current number itself adds nothing to the answers."""
    return rewired(model, scale_direct_path(0))


def reverse_direct_path(model: SortedListTransformer) -> SortedListTransformer:
    """What the current number itself adds to the answers is subtracted: it promotes being answered again."""
    return rewired(model, scale_direct_path(-1))


def freeze_first_scale(model: SortedListTransformer) -> SortedListTransformer:
    """The first layer norm divides by one number, the mean over the batch of what it divided by."""
    return rewired(model, {"blocks.0.ln1.hook_scale": _frozen})


def freeze_final_scale(model: SortedListTransformer) -> SortedListTransformer:
    """The final layer norm divides by one number, the mean over the batch of what it divided by."""
    return rewired(model, {"ln_final.hook_scale": _frozen})


def forget_epsilon(model: SortedListTransformer) -> SortedListTransformer:
    """The first layer norm divides by the standard deviation alone, without the epsilon inside the root."""
    return rewired(model, {"blocks.0.ln1.hook_scale": lambda scale: (scale.square() - EPSILON).clamp(min=1e-12).sqrt()})


def take_unsorted_positions_for_one(model: SortedListTransformer) -> SortedListTransformer:
    """All unsorted numbers have one position, the mean of theirs: nearly no answer depends on which."""
    mutant = copied(model)
    n = model.cfg.list_len
    mutant.pos_embed.W_pos[:n] = model.W_pos[:n].mean(0)
    return mutant


def enlarge_embeddings(model: SortedListTransformer) -> SortedListTransformer:
    """Embeddings are so large that the first layer norm has nothing to enlarge: it divides by 1 on average."""
    mutant = copied(model)
    _, scale = centred_and_scale(resid_pre(model))
    for rows in (mutant.embed.W_E, mutant.pos_embed.W_pos):
        rows /= scale.mean().float()
    return mutant


def _frozen(scale: Float[Tensor, "batch pos one"]) -> Float[Tensor, "batch pos one"]:
    return scale.mean().expand_as(scale)


def _with_swapped_embeddings(model: SortedListTransformer, a: int, b: int) -> SortedListTransformer:
    if a == b or b > model.cfg.max_value:
        raise CannotBeMade(f"numbers of 0 .. {model.cfg.max_value} are too few")
    mutant = copied(model)
    mutant.embed.W_E[[a, b]] = model.W_E[[b, a]]
    return mutant


@cache
def _briefly_trained(cfg: SortedListConfig) -> SortedListTransformer:
    recipe = replace(PUBLISHED, seed=SEED, config=cfg, train_size=60 * 128, batch_size=128, val_size=100, epochs=1)
    return train(recipe, TASK).model
