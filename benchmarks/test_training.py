"""Training, against the same recipe through a TransformerLens bridge and DataLoaders, in turns.

What is timed is a slice of an epoch of the published recipe: 40 of its 293 steps and the same share of its validation.
"""

import dataclasses

import pytest

from benchmarks.training_by_bridge import TrainingByBridge
from cumsum_model.system import SYSTEM
from cumsum_model.task import PUBLISHED
from toy_model.timing import threads as torch_threads
from toy_model.training.training import Training

PUBLISHED = PUBLISHED
STEPS = 40
SHARE = STEPS / PUBLISHED.steps_per_epoch
ROUNDS, WARM_UP = 11, 1
GOAL = 0.5
"""At most half the time of what one would write."""


@pytest.fixture
def threads(request):
    with torch_threads(request.param):
        yield request.param


def slices(val_size):
    """The same run twice, ours and theirs, in epochs of 40 steps."""
    epochs = ROUNDS + WARM_UP
    recipe = dataclasses.replace(PUBLISHED, train_size=STEPS * PUBLISHED.batch_size, val_size=val_size, epochs=epochs)
    return Training(recipe, SYSTEM), TrainingByBridge(recipe)


def in_turns(versus, what, val_size, threads, scale):
    """`scale`: of how much of what is told a slice is the time."""
    ours, theirs = slices(val_size)
    versus(
        f"{what}, {threads} thread{'s' * (threads > 1)} / by bridge and DataLoaders",
        ours.epoch,
        theirs.epoch,
        rounds=ROUNDS,
        warm_up=WARM_UP,
        goal=GOAL,
        scale=scale,
    )
    return ours, theirs


@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.guard), 2], indirect=True)
def test_a_step(versus, threads):
    in_turns(versus, "a step of training", 1, threads, 1 / STEPS)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_a_seed(versus, threads):
    """What 20 epochs take, without what comes before the first: the data, and to import the bridge."""
    val_size = round(SHARE * PUBLISHED.val_size)
    ours, theirs = in_turns(versus, "training a seed", val_size, threads, PUBLISHED.epochs / SHARE)
    assert ours.history[0].loss == pytest.approx(theirs.history[0].loss, abs=1e-3)  # later, rounding may have grown
