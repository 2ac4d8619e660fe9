"""Training, against the same recipe through a TransformerLens bridge and DataLoaders, in turns.

What is timed is a slice of an epoch of a published recipe: 40 of its 293 steps and the same share of its validation.
"""

import dataclasses

import pytest

from benchmarks.training_by_bridge import TrainingByBridge
from cumsum_model.task import TASK as CUMSUM
from sorted_list_model.task import TASK as SORTED_LIST
from toy_model.timing import threads as torch_threads
from toy_model.training.training import Training

STEPS = 40
ROUNDS, WARM_UP = 11, 1
TASKS = (CUMSUM, SORTED_LIST)
GOAL = 0.5
"""At most half the time of what one would write."""


@pytest.fixture
def threads(request):
    with torch_threads(request.param):
        yield request.param


def slices(task, val_size):
    """The same run twice, ours and theirs, in epochs of 40 steps."""
    published = task.recipe
    epochs = ROUNDS + WARM_UP
    recipe = dataclasses.replace(published, train_size=STEPS * published.batch_size, val_size=val_size, epochs=epochs)
    return Training(recipe, task), TrainingByBridge(recipe, task)


def in_turns(versus, what, task, val_size, threads, scale):
    """`scale`: of how much of what is told a slice is the time."""
    ours, theirs = slices(task, val_size)
    versus(
        f"{task.name}: {what}, {threads} thread{'s' * (threads > 1)} / by bridge and DataLoaders",
        ours.epoch,
        theirs.epoch,
        rounds=ROUNDS,
        warm_up=WARM_UP,
        goal=GOAL,
        scale=scale,
    )
    return ours, theirs


@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.guard), 2], indirect=True)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_step(versus, task, threads):
    in_turns(versus, "a step of training", task, 1, threads, 1 / STEPS)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_seed(versus, task, threads):
    """What all epochs take, without what comes before the first: the data, and to import the bridge."""
    share = STEPS / task.recipe.steps_per_epoch
    val_size = round(share * task.recipe.val_size)
    ours, theirs = in_turns(versus, "training a seed", task, val_size, threads, task.recipe.epochs / share)
    assert ours.history[0].loss == pytest.approx(theirs.history[0].loss, abs=1e-3)  # later, rounding may have grown
