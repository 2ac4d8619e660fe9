"""Hard inputs: small values, of which the second layer has little to amplify with"""

from functools import cache

import numpy as np
import torch
from pytest_claims import claim
from pytest_claims.interval import clopper_pearson

from cumsum_model.data import labels_of, tokens_of
from cumsum_model.lengths.sampled import HARD_SEED, of_sum
from cumsum_model.two_layers import mutants
from cumsum_model.two_layers.scope import no_account_of
from toy_model.behaviour import margins
from toy_model.engine import run


@claim(
    "Of the sequences of full length that have no value but -1, 0 and +1, and a sum of -1 or +1, more than half are "
    "misclassified",
    source="ours: two layers amplify by how the values vary, and these vary little",
    over="1,000 sequences for each sum, of all such as likely as any other (seed 1000004); the end of the interval",
    evidence="sampled",
    refuted_by=[mutants.put_one_layer_in_two],
    unless=no_account_of,
)
def test_small_values_are_misclassified(model, measure):
    values = next_to_zero(1_000, 1, model.cfg.n_ctx)
    wrong = int((at_the_end(model, values) <= 0).sum())
    low, _ = clopper_pearson(wrong, len(values))
    assert measure("share that is wrong, at least", low) > 1 / 2


@claim(
    "Not only the sum matters but the values: among sequences of full length with a sum of -1 or +1 the mean margin "
    "rises with the variance of the values, from each quarter of them to the next",
    source="ours: of one layer only the sum matters",
    over="5,000 sequences for each sum, of all such as likely as any other (seed 1000004)",
    evidence="sampled",
    refuted_by=[
        mutants.put_one_layer_in_two,
        mutants.attend_evenly_in_second_layer,
        mutants.attend_to_the_other_sign,
    ],
    unless=no_account_of,
)
def test_margins_rise_with_the_variance_of_the_values(model, measure):
    values = next_to_zero(5_000, model.cfg.max_value, model.cfg.n_ctx)
    found = at_the_end(model, values)
    by_variance = values.double().var(1).argsort(stable=True).chunk(4)
    means = [found[some].mean() for some in by_variance]
    for quarter in range(1, 4):
        rise = means[quarter] - means[quarter - 1]
        assert measure(f"rise of the mean margin in quarter {quarter + 1}", rise, "logits") > 1 / 10


@cache
def next_to_zero(size, max_value, n_ctx):
    """`size` sequences of sum -1 and as many of sum +1, each of all such as likely as any other: seeded."""
    generator = np.random.default_rng(HARD_SEED)
    return torch.cat([of_sum(sum_, size, max_value, n_ctx, generator) for sum_ in (-1, 1)])


def at_the_end(model, values):
    """The margin at the last position of each sequence, in logits."""
    logits = run(model, tokens_of(values, model.cfg.max_value), slice(-1, None))
    return margins(logits, labels_of(values)[:, -1:])[:, 0].double().cpu()
