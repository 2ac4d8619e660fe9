"""What the write-up prints of data and recipe, which are the software's and no claims about weights."""

import dataclasses
import itertools
import json
import math
from dataclasses import asdict

import pytest
import torch

from cumsum_model import writeup
from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset, labels_of, running_means
from cumsum_model.task import PUBLISHED, REFERENCE, untrained
from toy_model.checkpoint.checkpoint import card_path
from toy_model.training import gradient


@pytest.mark.parametrize(("printed", "values", "labels"), writeup.EXAMPLES)
def test_printed_examples_are_labelled_as_printed(printed, values, labels):
    assert labels_of(torch.tensor([values]))[0].tolist() == list(labels), printed


def test_the_example_of_seed_40_is_printed_as_it_was():
    data = CumsumDataset(size=1, seq_len=6, max_value=3, seed=40)
    _, values, labels = writeup.EXAMPLES[1]
    assert data.values[0].tolist() == list(values)
    assert data.labels[0].tolist() == list(labels)
    assert ", ".join(data.str_toks[0]) == "+0, +1, -3, -3, -2, +3"
    assert ", ".join(data.str_labels[0]) == "zero, pos, neg, neg, neg, neg"


@pytest.mark.parametrize("max_value", [1, 3, 5])
def test_values_take_every_size_up_to_the_largest(max_value):
    values = CumsumDataset(size=1000, max_value=max_value, seq_len=20, seed=42).values
    assert values.unique().tolist() == list(range(-max_value, max_value + 1))


def test_the_card_says_that_the_published_recipe_was_followed():
    card = json.loads(card_path(REFERENCE).read_text())
    recipe = dataclasses.replace(PUBLISHED, seed=42)
    assert card["recipe"] == asdict(recipe)
    assert recipe.weight_decay > 0
    rates = torch.tensor([recipe.learning_rate(epoch) for epoch in range(recipe.epochs)], dtype=torch.float64)
    assert (rates.diff() < 0).all()
    torch.testing.assert_close(rates.diff(), rates.diff()[:1].expand(recipe.epochs - 1))


def test_the_loss_that_is_trained_on_is_the_cross_entropy_at_every_position():
    model, data = untrained(PUBLISHED.config, seed=3).requires_grad_(True), CumsumDataset(50, 5, 20, seed=3)
    with torch.no_grad():
        logits = model(data.toks).double()
    losses = [
        math.log(logits[i, n].exp().sum()) - logits[i, n, data.labels[i, n]].item()
        for i in range(50)
        for n in range(20)
    ]
    for loss, _ in (
        gradient.by_autograd(model, data.toks, data.labels),
        gradient.written_out(model, data.toks, data.labels),
    ):
        assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize(("once", "twice"), writeup.REPETITIONS)
def test_repetitions_have_equal_means(once, twice):
    assert once * 2 == twice
    assert running_means(torch.tensor([once]))[0, -1] == running_means(torch.tensor([twice]))[0, -1]


def test_the_rate_falls_along_a_line():
    rates = [PUBLISHED.learning_rate(epoch) for epoch in range(20)]
    assert rates[-1] == pytest.approx(1e-4)
    steps = [before - after for before, after in itertools.pairwise(rates)]
    assert steps == pytest.approx([(1e-3 - 1e-4) / 20] * 19)
    assert rates[0] + steps[0] == pytest.approx(1e-3)


def test_published_costs_are_one_for_each_neuron():
    assert len(writeup.NEURON_COSTS) == writeup.PUBLISHED_SIZES.d_mlp
    assert max(writeup.NEURON_COSTS) == writeup.NEURON_COSTS[2]


def test_figures_are_compared_in_the_published_sizes_alone():
    assert writeup.not_of_the_published_sizes(untrained(CumsumConfig(), seed=0)) is None
    reason = writeup.not_of_the_published_sizes(untrained(CumsumConfig(n_ctx=10), seed=0))
    assert reason == "this compares figures that were published of a model of other sizes"
