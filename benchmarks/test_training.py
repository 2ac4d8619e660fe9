"""Training, against the same recipe through a TransformerLens bridge and DataLoaders, in turns.

What is timed is a slice of an epoch of the published recipe: 40 of its 293 steps and the same share of its validation.
"""

import pytest
import torch

from cumsum_model.benchmarking.side_by_side import spread
from cumsum_model.benchmarking.training_by_bridge import TrainingByBridge
from cumsum_model.training import Recipe, Training

PUBLISHED = Recipe()
STEPS = 40
SHARE = STEPS / PUBLISHED.steps_per_epoch
ROUNDS, WARM_UP = 11, 1
GOAL = 0.5
"""At most half the time of what one would write."""


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def slices(val_size):
    """The same run twice, ours and theirs, in epochs of 40 steps."""
    epochs = ROUNDS + WARM_UP
    recipe = Recipe(train_size=STEPS * PUBLISHED.batch_size, val_size=val_size, epochs=epochs)
    return Training(recipe), TrainingByBridge(recipe)


def test_a_step(versus, benchmark, threads):
    ours, theirs = slices(val_size=1)
    pair = versus(
        "a step of training", ours.epoch, theirs.epoch, rounds=ROUNDS, warm_up=WARM_UP, goal=GOAL, threads=threads
    )
    for whose, seconds in (("ours", pair.ours), ("theirs", pair.theirs)):
        benchmark.extra_info[f"milliseconds_per_step_{whose}"] = spread(1e3 * seconds / STEPS)


def test_a_seed(versus, benchmark, threads):
    """What 20 epochs take, without what comes before the first: the data, and to import the bridge."""
    ours, theirs = slices(round(SHARE * PUBLISHED.val_size))
    pair = versus(
        "training a seed", ours.epoch, theirs.epoch, rounds=ROUNDS, warm_up=WARM_UP, goal=GOAL, threads=threads
    )
    for whose, seconds in (("ours", pair.ours), ("theirs", pair.theirs)):
        benchmark.extra_info[f"seconds_per_epoch_{whose}"] = spread(seconds / SHARE)
        benchmark.extra_info[f"seconds_per_seed_{whose}"] = spread(PUBLISHED.epochs * seconds / SHARE)
    assert [epoch.loss for epoch in ours.history] == pytest.approx([epoch.loss for epoch in theirs.history], abs=1e-3)
