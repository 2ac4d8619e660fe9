"""The unembedding broken, or the model as a whole: untrained, hardly trained, noisy."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from cumsum_model.config import CumsumConfig
from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.model import CumsumTransformer
from cumsum_model.surgery import require_working_neurons
from cumsum_model.task import PUBLISHED, TASK
from cumsum_model.variants import without_relus
from toy_model.surgery import copied, louder, noisy
from toy_model.training.training import train

NOISE_SEED = 0


def untrained(model: CumsumTransformer) -> CumsumTransformer:
    """A model of the same sizes as training starts from."""
    return TASK.untrained(model.cfg, seed=0).to(model.device)


def train_briefly(model: CumsumTransformer) -> CumsumTransformer:
    """A model of the same sizes after 300 steps of the recipe: it has begun to see, no more."""
    return _briefly_trained(model.cfg).to(model.device)


def add_some_noise(model: CumsumTransformer) -> CumsumTransformer:
    """Every weight is off by one part in a hundred of its matrix's scale."""
    return noisy(model, 0.01, NOISE_SEED)


def add_much_noise(model: CumsumTransformer) -> CumsumTransformer:
    """Every weight is off by a tenth of its matrix's scale."""
    return noisy(model, 0.1, NOISE_SEED)


def raise_confidence(model: CumsumTransformer) -> CumsumTransformer:
    """Every logit is eight times as large: the same answers, and no doubt about them."""
    return louder(model, 8)


def fold_the_mlp_away(model: CumsumTransformer) -> CumsumTransformer:
    """Every ReLU is an identity and the MLP folded into the unembedding: nearly the same function without neurons."""
    require_working_neurons(model)
    return without_relus(model)


def let_zero_take_a_side(model: CumsumTransformer) -> CumsumTransformer:
    """The zero unembedding adds an eighth of what pos has over neg: the same answers, but zero rises with the mean."""
    mutant = copied(model)
    mutant.unembed.W_U[:, ZERO] += (model.W_U[:, POS] - model.W_U[:, NEG]) / 8
    return mutant


@cache
def _briefly_trained(cfg: CumsumConfig) -> CumsumTransformer:
    recipe = replace(PUBLISHED, seed=0, config=cfg, train_size=300 * 64, batch_size=64, val_size=100, epochs=1)
    return train(recipe, TASK).model
