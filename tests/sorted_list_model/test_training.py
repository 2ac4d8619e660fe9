"""The shipped checkpoint is the published run, epoch by epoch."""

import json
from dataclasses import replace

import pytest

from sorted_list_model.task import PUBLISHED, REFERENCE, TASK
from toy_model.checkpoint.card import provenance
from toy_model.checkpoint.checkpoint import card_path
from toy_model.recipe import recipe_from
from toy_model.training.training import Training, train

PRINTED = (
    *((0.0627, 0.99828), (0.0616, 0.99864), (0.0515, 0.99817), (0.0451, 0.99858), (0.0470, 0.99867)),
    *((0.0403, 0.99860), (0.0405, 0.99872), (0.0386, 0.99881), (0.0409, 0.99877), (0.0431, 0.99867)),
    *((0.0388, 0.99813), (0.0392, 0.99856), (0.0391, 0.99851), (0.0419, 0.99863), (0.0394, 0.99850)),
    *((0.0382, 0.99869), (0.0376, 0.99880), (0.0417, 0.99872), (0.0406, 0.99866), (0.0375, 0.99881)),
    *((0.0376, 0.99873), (0.0368, 0.99871), (0.0337, 0.99871), (0.0402, 0.99885), (0.0339, 0.99893)),
)
"""Loss of the last batch and validation accuracy of every epoch, of an independent reproduction of the notebook."""

LOSS_DIGIT, ACCURACY_DIGIT = 1e-4, 1e-5
"""One in the last digit that is printed: sums in another order are rounded in another way."""


@pytest.fixture(scope="module")
def card():
    return json.loads(card_path(REFERENCE).read_text())


def as_printed(loss, accuracy):
    return pytest.approx(loss, abs=1.5 * LOSS_DIGIT), pytest.approx(accuracy, abs=1.5 * ACCURACY_DIGIT)


def test_every_epoch_of_the_shipped_checkpoint_is_that_of_the_published_run(card):
    assert recipe_from(card["recipe"], type(PUBLISHED.config)) == PUBLISHED
    for epoch, printed in zip(card["history"], PRINTED, strict=True):
        assert (epoch["loss"], epoch["val_accuracy"]) == as_printed(*printed), epoch["index"]


def test_the_last_epoch_is_selected(card):
    assert card["kept_epoch"] == 24
    assert card["history"][24]["val_accuracy"] == pytest.approx(0.99893)
    assert provenance(card) == "seed 42, epochs 25, train size 150000, kept epoch 24"


def test_the_card_has_the_published_figures_of_behaviour(card):
    behaviour = card["metrics"]["behaviour"]
    published = {"cross_entropy": 0.039, "accuracy": 0.999, "p_mean": 0.966, "p_median": 0.981, "p_min": 0.001}
    assert behaviour == {name: pytest.approx(value, abs=5e-4) for name, value in published.items()}


def test_the_first_epoch_is_trained_again_to_the_printed_figures(card):
    """The only one that is: all of them take minutes."""
    epoch = Training(PUBLISHED, TASK).epoch()
    assert (epoch.loss, epoch.val_accuracy) == as_printed(*PRINTED[0])
    saved = card["history"][0]
    assert (epoch.loss, epoch.val_accuracy) == (
        pytest.approx(saved["loss"], rel=1e-3),
        pytest.approx(saved["val_accuracy"], abs=2 * ACCURACY_DIGIT),
    )


def test_a_short_run_repeats_to_the_bit():
    short = replace(PUBLISHED, seed=3, train_size=2_000, val_size=200, epochs=2)
    assert train(short, TASK).history == train(short, TASK).history
