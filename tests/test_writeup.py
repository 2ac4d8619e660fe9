"""What is said to be printed, against the data, the recipe and the card of the shipped checkpoint."""

import itertools
import json

import pytest
import torch

from cumsum_model import writeup
from cumsum_model.checkpoint import REFERENCE
from cumsum_model.data import CumsumDataset, labels_of, running_means
from cumsum_model.model import CumsumConfig
from cumsum_model.training import Recipe, untrained


@pytest.mark.parametrize(("printed", "values", "labels"), writeup.EXAMPLES, ids=lambda it: str(it)[:30])
def test_printed_examples_have_the_printed_labels(printed, values, labels):
    assert tuple(labels_of(torch.tensor(values)).tolist()) == labels
    assert printed


def test_the_example_of_seed_40_is_what_seed_40_draws():
    data = CumsumDataset(1, 3, 6, seed=40)
    assert ", ".join(data.str_toks[0]) == "+0, +1, -3, -3, -2, +3"
    assert ", ".join(data.str_labels[0]) == "zero, pos, neg, neg, neg, neg"
    _, values, labels = writeup.EXAMPLES[1]
    assert tuple(data.values[0].tolist()) == values
    assert tuple(data.labels[0].tolist()) == labels


@pytest.mark.parametrize(("once", "twice"), writeup.REPETITIONS)
def test_repetitions_have_equal_means(once, twice):
    assert once * 2 == twice
    assert running_means(torch.tensor([once]))[0, -1] == running_means(torch.tensor([twice]))[0, -1]


def test_the_card_says_the_published_recipe():
    recipe = json.loads(REFERENCE.with_suffix(".card.json").read_text())["recipe"]
    config = recipe.pop("config")
    assert config == {"max_value": 5, "n_ctx": 20, "n_layers": 1, "n_heads": 1, "d_model": 24, "d_head": 12, "d_mlp": 8}
    assert recipe == {
        "seed": 42,
        "train_size": 150_000,
        "val_size": 10_000,
        "epochs": 20,
        "batch_size": 512,
        "lr_start": 1e-3,
        "lr_end": 1e-4,
        "weight_decay": 0.01,
    }
    assert Recipe(**recipe, config=CumsumConfig(**config)) == Recipe()
    assert CumsumConfig(**config) == writeup.PUBLISHED_SIZES


def test_the_rate_falls_along_a_line():
    rates = [Recipe().learning_rate(epoch) for epoch in range(20)]
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
