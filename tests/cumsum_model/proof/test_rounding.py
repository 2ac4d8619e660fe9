"""What is subtracted is needed, and enough: each error term against exact rational arithmetic."""

import copy
import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof import dynamic_program, extremes, rounding, splitting
from cumsum_model.proof.extremes import Position
from cumsum_model.proof.tables import tables
from toy_model.arithmetic.balls import Ball, exact


def exact_sums(g, own):
    """Every sequence of tokens with its exact sum: [(tokens, Fraction)]."""
    positions, d_vocab = g.shape
    for tokens in itertools.product(range(d_vocab), repeat=positions):
        yield tokens, Fraction(own) + sum(Fraction(g[j, t]) for j, t in enumerate(tokens))


@pytest.mark.parametrize("seed", range(20))
def test_the_programs_sums_are_within_their_error(seed):
    generator = np.random.default_rng(seed)
    g = generator.normal(size=(5, 3)) * 10.0 ** generator.integers(-9, 9, size=(5, 3))
    own = float(generator.normal())
    least = dynamic_program.smallest(g[..., None])[:, 0] + own
    (error,) = extremes._error(exact(g[..., None]), exact([own]))
    truth = {}
    for tokens, total in exact_sums(g, own):
        truth[sum(tokens)] = min(truth.get(sum(tokens), total), total)
    off = [abs(Fraction(float(least[s])) - total) for s, total in truth.items()]
    assert max(off) <= Fraction(float(error))


def test_adding_up_loses_something_and_the_error_covers_it():
    g = np.zeros((6, 3))
    g[0], g[1:] = 1.0, 2.0**-53  # each is lost when it is added to 1
    least = dynamic_program.smallest(g[..., None])[:, 0]
    assert (least == 1.0).all()
    (error,) = extremes._error(exact(g[..., None]), exact([0.0]))
    assert Fraction(5, 2**53) <= Fraction(float(error)) < Fraction(1, 2**45)
    spread = Ball(g[..., None], np.full((6, 3, 1), 0.25))
    assert extremes._error(spread, exact([0.0]))[0] >= 6 * 0.25


def test_rounding_down_goes_down():
    numbers = np.array([1.0, -1.0, 1e-5, -3e17, 0.0])
    lower = extremes._down(numbers)
    assert (lower < numbers).all()
    assert np.abs(lower - numbers).max() <= 1e-15 * np.abs(numbers).max()


@pytest.mark.parametrize("resolution", [16, 50, 1000])
@pytest.mark.parametrize("scale", [1.0, 1e15])
def test_counts_of_rounded_sums_hold_the_true_count(resolution, scale):
    """`scale` makes the part that is linear in the token so large that what it leaves is rounded badly."""
    generator = np.random.default_rng(resolution)
    for error in (0.0, 0.3):
        g = generator.normal(size=(4, 4)) + scale * np.arange(4)
        s = 6
        own = -scale * s + float(generator.normal())
        totals = [total for tokens, total in exact_sums(g, own) if sum(tokens) == s]
        low, high = splitting.count_positive(g, own, error, np.array([s]), resolution)
        # Whatever the true sums are, if no further off than `error`, the count of positive ones is in between.
        assert low[0] <= sum(total - Fraction(error) > 0 for total in totals)
        assert high[0] >= sum(total + Fraction(error) > 0 for total in totals)


def test_long_counts_are_exact_whole_numbers():
    """Beyond 2**63 the counts are kept in digits: all sequences of a sum, and none, of 25 tokens."""
    g = np.zeros((25, 11))
    ways = dynamic_program.count(25, 11)[-1]
    assert 11**25 > 2**63
    for own, expected in ((1.0, ways[125]), (-1.0, 0)):
        low, high = splitting.count_positive(g, own, 1e-9, np.array([125]), 100)
        assert low[0] == high[0] == expected


def test_counts_of_many_tokens_are_exact_whole_numbers():
    """A digit has room for as many additions as there are tokens."""
    g = np.zeros((12, 301))
    ways = dynamic_program.count(12, 301)[-1]
    low, high = splitting.count_positive(g, 1.0, 1e-9, np.array([1800, 900]), 16)
    assert low.tolist() == high.tolist() == [ways[1800], ways[900]]


def random_model(seed, n_heads, scale):
    generator = torch.Generator().manual_seed(seed)
    model = CumsumTransformer(CumsumConfig(max_value=1, n_ctx=3, n_heads=n_heads, d_model=3, d_head=2, d_mlp=4))
    for parameter in model.requires_grad_(False).parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.mark.parametrize("seed", range(30))
def test_pre_activations_stay_in_their_range_with_several_heads(seed):
    """The signs of neurons are read off these ranges, so they have to allow for shares that are off."""
    model = random_model(seed, n_heads=2, scale=0.8)
    position = Position(tables(model), tables(model).query(3))
    tokens = torch.tensor(list(itertools.product(range(3), repeat=3)))
    _, cache = model.double().run_with_cache(tokens)
    pre = cache["blocks.0.mlp.hook_pre"][:, -1].numpy()
    place = tokens[:, -1].numpy(), tokens[:, :-1].sum(1).numpy()
    assert (position.pre_low[place] <= pre + 1e-12).all()
    assert (pre - 1e-12 <= position.pre_high[place]).all()


def test_the_bound_for_a_model_is_that_of_its_worst_logit_and_length(reference):
    error = rounding.logit_error(reference)
    louder = copy.deepcopy(reference)
    louder.unembed.W_U[:, 1] *= 100
    assert rounding.logit_error(louder) > 20 * error
    late = copy.deepcopy(reference)
    late.W_pos[-1] *= 1000
    assert rounding.logit_error(late) > 20 * error
    overflowing = copy.deepcopy(reference)
    overflowing.blocks[0].mlp.W_in[:, 6], overflowing.blocks[0].mlp.W_out[6] = 1e38, 0.0
    assert rounding.logit_error(overflowing) == np.inf
