"""The loss and gradient through tables of pairs of token and position are those of the model's own pass."""

import dataclasses

import pytest
import torch

from cumsum_model.task import PUBLISHED as CUMSUM
from cumsum_model.task import TASK as CUMSUM_TASK
from sorted_list_model.config import SortedListConfig
from sorted_list_model.task import PUBLISHED, TASK
from toy_model.engine import EVERY
from toy_model.training import gradient, lookup
from toy_model.training.training import Training, gradient_of, train

SIZES = [SortedListConfig(), SortedListConfig(max_value=9, n_ctx=7, n_heads=3, d_model=10, d_head=4)]


@pytest.mark.parametrize("cfg", SIZES, ids=["published sizes", "other sizes"])
@pytest.mark.parametrize("scored", ["those of the task", "every position"])
def test_it_is_what_autograd_gives_of_the_plain_pass(cfg, scored):
    model = TASK.untrained(cfg, seed=1)
    for parameter in model.parameters():  # biases and layer norms too
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)), alpha=0.1)
    model.double().requires_grad_(True)
    data = TASK.draw(cfg, 40, torch.Generator().manual_seed(3))
    counted = data.scored if scored == "those of the task" else EVERY
    loss, by_name = lookup.by_lookup(model, data.toks, data.labels, counted)
    expected_loss, expected = gradient.by_autograd(model, data.toks, data.labels, counted)
    torch.testing.assert_close(loss, expected_loss, atol=1e-12, rtol=0)
    assert by_name.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(by_name[name], tensor, atol=1e-12, rtol=0, msg=name)


def test_positions_after_the_last_that_counts_get_no_gradient():
    model = TASK.untrained(PUBLISHED.config, seed=1).requires_grad_(True)
    data = TASK.draw(PUBLISHED.config, 40, torch.Generator().manual_seed(3))
    _, by_name = lookup.by_lookup(model, data.toks, data.labels, data.scored)
    assert not by_name["pos_embed.W_pos"][-1].any()
    assert by_name["pos_embed.W_pos"][:-1].any(-1).all()


def test_it_is_used_for_models_that_it_is_about_and_for_no_others():
    short = dataclasses.replace(PUBLISHED, train_size=600, val_size=10)
    assert Training(short, TASK)._gradient is lookup.by_lookup
    two_layers = dataclasses.replace(short, config=dataclasses.replace(short.config, n_layers=2))
    assert Training(two_layers, TASK)._gradient is gradient.by_autograd
    assert Training(dataclasses.replace(CUMSUM, train_size=600, val_size=10), CUMSUM_TASK)._gradient is (
        gradient.written_out
    )


@pytest.mark.parametrize("task", [TASK, CUMSUM_TASK], ids=lambda task: task.name)
def test_a_gpu_adds_up_no_rows_by_index(task):
    """Which it does in another order in every run: there the plain pass is differentiated."""
    model, data = task.untrained(task.recipe.config, 1), task.draw(task.recipe.config, 600, torch.Generator())
    assert gradient_of(model, data, torch.device("cuda")) is gradient.by_autograd
    assert gradient_of(model, data, torch.device("cpu")) is not gradient.by_autograd


def test_a_run_repeats_to_the_bit():
    short = dataclasses.replace(PUBLISHED, train_size=2_000, val_size=100, epochs=1, batch_size=100)
    first, again = train(short, TASK), train(short, TASK)
    assert first.history == again.history
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])
