import dataclasses
import json

import pytest
import torch

from benchmarks.training_by_bridge import TrainingByBridge
from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.system import SYSTEM
from cumsum_model.task import PUBLISHED, REFERENCE, initialise, untrained
from sorted_list_model.task import TASK as SORTED_LIST
from toy_model.behaviour import behaviour, cross_entropy, label_entropy
from toy_model.checkpoint.checkpoint import card_path
from toy_model.intervention import neuron_costs
from toy_model.training import gradient
from toy_model.training.optimizer import Adam
from toy_model.training.training import Diverged, Epoch, Training, train

SHORT = dataclasses.replace(PUBLISHED, seed=3, train_size=5_000, val_size=500, epochs=3, batch_size=50)


@pytest.fixture
def in_float64():
    """The system, trained in float64 from the same weights: what a processor rounds is nothing."""
    return dataclasses.replace(SYSTEM, model=lambda cfg: CumsumTransformer(cfg).double())


@pytest.fixture(scope="module")
def short():
    return train(SHORT, SYSTEM)


def test_a_short_run_learns(short):
    data = evaluation_set(5, 20)
    best_guess_unseen = label_entropy(data.labels)
    assert behaviour(untrained(SHORT.config, 3), data).cross_entropy > best_guess_unseen
    assert behaviour(short.model, data).cross_entropy < best_guess_unseen


def test_a_run_repeats_to_the_bit_and_leaves_the_global_generator_alone(short):
    before = torch.get_rng_state()
    again = train(SHORT, SYSTEM)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.history == short.history
    for name, tensor in again.model.state_dict().items():
        assert torch.equal(tensor, short.model.state_dict()[name])


def test_another_seed_is_another_model(short):
    retrained = train(dataclasses.replace(SHORT, seed=4, epochs=1), SYSTEM)
    assert not torch.equal(retrained.model.W_E, short.model.W_E)


def test_the_draws_are_those_of_two_dataloaders_and_the_global_generator(in_float64):
    """The recipe as the original wrote it, for one epoch and a half, against the same losses here."""
    recipe = dataclasses.replace(SHORT, epochs=2, train_size=400, batch_size=100)
    torch.manual_seed(recipe.seed)
    model = CumsumTransformer(recipe.config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".W_" in name:
                parameter.normal_(std=0.8 / 24**0.5)
        model.embed.W_E.copy_(model.embed.W_E.roll(5, 0))
    model.double()
    train_data = CumsumDataset(recipe.train_size, 5, 20, seed=recipe.seed)
    torch.manual_seed(recipe.seed + 1)  # the original drew the validation set from the global generator
    drawn = torch.randint(-5, 6, (recipe.val_size, 20))
    for _ in range(19):
        torch.rand(recipe.val_size)
        torch.randint(0, 6, (recipe.val_size,))
    assert drawn.shape == (recipe.val_size, 20)
    pairs = list(zip(train_data.toks, train_data.labels, strict=True))
    loader = torch.utils.data.DataLoader(pairs, batch_size=recipe.batch_size, shuffle=True)
    val_loader = torch.utils.data.DataLoader(range(10))
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.01)
    losses = []
    for epoch in range(recipe.epochs):
        optimizer.param_groups[0]["lr"] = 1e-3 + (1e-4 - 1e-3) * (epoch + 1) / recipe.epochs
        for toks, labels in loader:
            loss = cross_entropy(model(toks), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
        list(val_loader)

    assert [epoch.loss for epoch in train(recipe, in_float64).history] == pytest.approx(losses, abs=1e-9)


SIZES = {
    "published": (CumsumConfig(), 20),
    "shorter than the context": (CumsumConfig(), 7),
    "heads and layers": (CumsumConfig(max_value=2, n_ctx=9, n_layers=3, n_heads=2, d_model=8, d_head=4, d_mlp=6), 9),
    "more tokens than sequences": (CumsumConfig(max_value=60, n_ctx=5, n_layers=2), 5),
    "one position": (CumsumConfig(n_heads=3), 1),
}


def drawn(cfg, dtype):
    """A model in which no parameter is zero, as biases are in a new one."""
    model, generator = CumsumTransformer(cfg).to(dtype), torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.3, generator=generator)
    return model


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_the_gradient_that_is_written_out_is_that_of_autograd(size, dtype, tolerance):
    """To a few roundings of the largest entry; in float64 a wrong formula has nowhere to hide."""
    cfg, n = SIZES[size]
    model = drawn(cfg, dtype)
    data = CumsumDataset(100, cfg.max_value, cfg.n_ctx, seed=5)
    toks, labels = data.toks[:, :n], data.labels[:, :n]
    loss, expected = gradient.by_autograd(model, toks, labels)
    own_loss, own = gradient.written_out(model, toks, labels)
    assert own_loss.item() == pytest.approx(loss.item(), rel=tolerance)
    assert set(own) == set(expected) == {name for name, _ in model.named_parameters()}
    largest = max(entry.abs().max().item() for entry in expected.values())
    for name, tensor in expected.items():
        assert own[name].dtype == dtype
        torch.testing.assert_close(
            own[name], tensor, atol=tolerance * largest, rtol=0, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_the_gradient_leaves_model_and_batch_alone():
    model, data = drawn(CumsumConfig(), torch.float32), CumsumDataset(30, 5, 20, seed=5)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    toks, labels = data.toks.clone(), data.labels.clone()
    gradient.written_out(model, toks, labels)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(toks, data.toks)
    assert torch.equal(labels, data.labels)


def test_training_by_autograd_comes_to_the_same(in_float64, monkeypatch):
    recipe = dataclasses.replace(SHORT, epochs=2, train_size=1_200, batch_size=100)
    expected = train(recipe, in_float64)
    monkeypatch.setattr(gradient, "written_out", gradient.by_autograd)
    by_autograd = train(recipe, in_float64)
    losses = [epoch.loss for epoch in by_autograd.history]
    assert [epoch.loss for epoch in expected.history] == pytest.approx(losses, abs=1e-9)


def test_adam_over_one_vector_is_adam_over_each_parameter_to_the_bit():
    cfg, generator = CumsumConfig(n_layers=2), torch.Generator().manual_seed(3)
    model, plain = untrained(cfg, 1), untrained(cfg, 1).requires_grad_(True)
    own = Adam(model, weight_decay=0.01)
    adam = torch.optim.Adam(plain.parameters(), weight_decay=0.01)
    parameters = dict(plain.named_parameters())
    for step in range(30):
        if step == 20:  # what it remembers is all that another one needs
            remembered = {name: tensor.clone() for name, tensor in own.moments().items()}
            own = Adam(model, weight_decay=0.01)
            own.restore(remembered, step)
        adam.param_groups[0]["lr"] = rate = 1e-3 / (step + 1)
        for parameter in parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=generator) * 10.0 ** -(step % 5)
        adam.step()
        own.step({name: parameter.grad for name, parameter in parameters.items()}, rate)
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, parameters[name]), (step, name)
    for name, tensor in own.moments().items():
        kind, _, of = name.partition(".")
        assert torch.equal(tensor, adam.state[parameters[of]][kind])


def test_what_was_trained_shares_no_memory(short):
    """A file of one parameter would otherwise hold them all."""
    for parameter in short.model.parameters():
        assert parameter.untyped_storage().nbytes() == parameter.numel() * parameter.element_size()


@pytest.mark.parametrize("task", [SYSTEM, SORTED_LIST], ids=lambda task: task.name)
def test_a_bridge_trained_with_dataloaders_has_the_same_losses(task):
    """What training is timed against does the same: every step, every bias, and validation."""
    recipe = dataclasses.replace(task.recipe, seed=3, epochs=2, train_size=1_030, val_size=500, batch_size=100)
    before = torch.get_rng_state()
    training, by_bridge = Training(recipe, task), TrainingByBridge(recipe, task)
    ours, theirs = [], []
    for _ in range(recipe.epochs):
        training.epoch(lambda step: ours.append(step.loss))
        by_bridge.epoch(theirs.append)
        assert torch.equal(torch.get_rng_state(), before)
    assert len(ours) == 22
    assert ours == pytest.approx(theirs, abs=1e-5)  # in float32 two orders of summation come to 2e-7
    assert ours[-1] < ours[0] - 0.01
    accuracies = [epoch.val_accuracy for epoch in by_bridge.history]
    assert [epoch.val_accuracy for epoch in training.history] == pytest.approx(accuracies, abs=1e-3)  # ten answers


def test_weights_are_drawn_in_the_row_order_of_the_original():
    model = CumsumTransformer()
    initialise(model, torch.Generator().manual_seed(42))
    drawn = torch.empty(11, 24).normal_(std=0.8 / 24**0.5, generator=torch.Generator().manual_seed(42))
    assert torch.equal(model.W_E[5], drawn[0])  # value 0 came first
    assert torch.equal(model.W_E[0], drawn[6])  # then +1 .. +5, then -5
    assert not model.blocks[0].mlp.b_in.any()


def test_the_learning_rate_falls_to_its_end_in_the_last_epoch():
    recipe = PUBLISHED
    assert recipe.learning_rate(0) == pytest.approx(9.55e-4)
    assert recipe.learning_rate(19) == pytest.approx(1e-4)


def test_the_kept_epoch_is_the_most_accurate_then_the_least_loss_then_the_latest():
    first = Epoch(0, loss=0.5, val_accuracy=0.9)
    assert first.beats(None)
    assert Epoch(1, loss=0.9, val_accuracy=0.95).beats(first)
    assert not Epoch(1, loss=0.1, val_accuracy=0.8).beats(first)
    assert not Epoch(1, loss=0.6, val_accuracy=0.9).beats(first)
    assert Epoch(1, loss=0.5, val_accuracy=0.9).beats(first)


def test_other_sizes_train():
    cfg = CumsumConfig(max_value=2, n_ctx=5, n_layers=2, n_heads=2, d_model=8, d_head=4, d_mlp=4)
    trained = train(dataclasses.replace(SHORT, config=cfg, epochs=1), SYSTEM)
    assert trained.model.cfg == cfg


def test_a_run_that_diverges_says_so():
    with pytest.raises(Diverged, match=r"the loss is (nan|inf)"):
        train(dataclasses.replace(SHORT, lr_start=1e30, lr_end=1e30), SYSTEM)


@pytest.mark.parametrize("impossible", [{"epochs": 0}, {"lr_start": float("nan")}, {"seed": -1}])
def test_impossible_recipes_are_named(impossible):
    with pytest.raises(ValueError, match=next(iter(impossible))):
        dataclasses.replace(PUBLISHED, **impossible)


def test_every_step_is_reported():
    steps = []
    train(dataclasses.replace(SHORT, epochs=2, train_size=125), SYSTEM, watch=steps.append)
    assert [step.done for step in steps] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert steps[-1].total == 6
    assert steps[-1].ended.index == 1


PUBLISHED_RECIPE_MEASURED = [0.0157, 0.0138, 0.0982, 0.0170, 0.0271, 0.0002, 0.0000, 0.0491]
"""Rise in cross entropy by zeroed neuron, of an independent reproduction of the published checkpoint."""


def test_the_published_recipe_gives_the_published_model(reference, in_float64):
    """Trains it in full, some minutes. The fixture is what the recipe gives, up to what float32 rounds."""
    trained = train(dataclasses.replace(PUBLISHED, seed=42), in_float64)
    assert trained.kept.index == 8
    for name, tensor in trained.model.state_dict().items():
        torch.testing.assert_close(tensor, reference.state_dict()[name].double(), atol=1e-3, rtol=0)


def test_the_card_of_the_fixture_tells_what_it_measures(reference):
    card = json.loads(card_path(REFERENCE).read_text())
    assert card["kept_epoch"] == 8
    assert card["recipe"]["seed"] == 42
    data = evaluation_set(5, 20)
    shown = dataclasses.asdict(behaviour(reference, data))
    assert shown == pytest.approx(card["metrics"]["behaviour"], abs=1e-5)
    costs = card["metrics"]["cross_entropy_rise_by_zeroed_neuron"]
    assert neuron_costs(reference, data).tolist() == pytest.approx(costs, abs=1e-5)
    assert [round(cost, 4) for cost in costs] == PUBLISHED_RECIPE_MEASURED


@pytest.mark.parametrize("n_heads", [1, 3])
def test_pieces_of_a_batch_give_the_same_gradient_to_the_bit(monkeypatch, n_heads):
    model = untrained(CumsumConfig(n_ctx=12, n_heads=n_heads, n_layers=2), 0)
    data = CumsumDataset(50, 5, 12, seed=1)
    losses, gradients = [], []
    for at_once in (10**9, 12 * 12 * 7, 1):
        monkeypatch.setattr(gradient, "AT_ONCE", at_once)
        loss, of_loss = gradient.written_out(model, data.toks, data.labels)
        losses.append(loss)
        gradients.append(of_loss)
    assert losses[0] == losses[1] == losses[2]
    for name in gradients[0]:
        assert torch.equal(gradients[0][name], gradients[1][name]), name
        assert torch.equal(gradients[0][name], gradients[2][name]), name


def tiny_is_zero():
    return (torch.full((), 1e-39) * 1).item() == 0


@pytest.mark.parametrize("before", [False, True])
def test_denormals_are_flushed_in_a_step_and_the_setting_is_put_back(monkeypatch, before):
    """Late in a run they would make a step several times as long."""
    seen = []
    step = Adam.step

    def watched(self, *arguments):
        seen.append(tiny_is_zero())
        step(self, *arguments)

    monkeypatch.setattr(Adam, "step", watched)
    torch.set_flush_denormal(before)
    try:
        training = Training(dataclasses.replace(SHORT, train_size=100, val_size=10), SYSTEM)
        training.epoch(lambda _: seen.append(tiny_is_zero()))
        assert seen == [True, before] * 2
        assert tiny_is_zero() is before
    finally:
        torch.set_flush_denormal(False)
