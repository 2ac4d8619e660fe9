"""Commands, training and the options of pytest serve a system that is unlike November's, and state no fact of that."""

import argparse
import json
import re
from types import SimpleNamespace

import pytest
import torch
from another_system import COPYING, CopyingConfig, draw, drawn
from saved_files import equal

from cumsum_model.system import SYSTEM
from toy_model import under_test
from toy_model.behaviour import behaviour
from toy_model.checkpoint.checkpoint import card_path, read_checkpoint, write_checkpoint
from toy_model.commands import convert, inspect, mutants, render, sweep, train, verify
from toy_model.commands.shared import add_reading
from toy_model.recipe import options_of
from toy_model.training.gradient import by_autograd, can_be_written_out
from toy_model.training.state_file import Unfinished, encode, read_unfinished
from toy_model.training.training import train as train_recipe

COMMANDS = (convert, inspect, mutants, render, sweep, train, verify)
NOVEMBER = r"cumsum|cumulative|max_value|-max\b|\bwrapped\b|token.order|neurons|d.mlp|epoch 8|minute|running sum"


def parser():
    made = argparse.ArgumentParser()
    commands = made.add_subparsers()
    for command in COMMANDS:
        command.add_command(commands, COPYING)
    return made, commands


def run(*arguments):
    options = parser()[0].parse_args([str(argument) for argument in arguments])
    return options.command(options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert run("train", "--out", folder) == 0
    return folder / "model.safetensors"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__.rpartition(".")[2])
def test_no_help_states_a_fact_of_another_system(command):
    name = command.__name__.rpartition(".")[2]
    help_text = parser()[1].choices[name].format_help()
    assert re.findall(NOVEMBER, help_text) == []
    assert max(map(len, help_text.splitlines())) <= 120


def test_help_states_the_facts_of_the_system():
    help_texts = {name: " ".join(sub.format_help().split()) for name, sub in parser()[1].choices.items()}
    assert "The defaults take a second." in help_texts["train"]
    assert "python -m copying_model train --d-model 16 --out" in help_texts["train"]
    assert "--grid d_model=8,16 --out" in help_texts["sweep"]
    assert "copying.pt mine.safetensors the original release" in help_texts["convert"]
    assert "--n-heads 4 a bridge of 4 heads" in help_texts["convert"]
    assert "(default: 2; other files say so)" in help_texts["inspect"]
    assert "a first diagnosis: how much of the evaluation set it answers rightly. Of" in help_texts["inspect"]


def test_the_options_of_pytest_are_those_of_all_systems():
    asked = argparse.ArgumentParser()
    add_reading(asked.add_argument, SYSTEM, COPYING)
    help_text = " ".join(asked.format_help().split())
    assert "value, from -max to +max (default), or wrapped, 0, +1 .. +max" in help_text
    assert "(default: 1 of cumsum, 2 of copying; other files say so)" in help_text


def test_an_order_of_rows_is_asked_of_those_systems_that_have_several(tmp_path):
    path = write_checkpoint(tmp_path / "model.safetensors", drawn(), {}).path
    given = {"token_order": "wrapped", "n_heads": None, "claims_device": "cpu"}
    config = SimpleNamespace(stash={}, getoption=lambda name, default=None: given.get(name, default))
    checkpoint = under_test.checkpoint_of(config, path, COPYING)
    assert checkpoint.reading.token_order is None
    assert under_test.checkpoint_of(config, None, SYSTEM).order == "wrapped"


def test_a_model_without_an_MLP_has_no_option_for_neurons():
    assert "d_mlp" not in {option.field for option in options_of(COPYING.recipe)}
    assert "d_mlp" in {option.field for option in options_of(SYSTEM.recipe)}


def test_a_model_is_trained_at_the_scored_positions_alone():
    data = draw(CopyingConfig(), 20, torch.Generator().manual_seed(1))
    model = drawn().requires_grad_(True)
    assert data.labels.shape == (20, 8)
    assert not can_be_written_out(model, data)
    loss, gradient = by_autograd(model, data.toks, data.labels, data.scored)
    log_p = model(data.toks)[:, 4:8].log_softmax(-1)
    right = data.toks[:, 5:9]
    assert loss.item() == pytest.approx(-log_p.gather(-1, right[..., None]).mean().item(), abs=1e-5)
    assert all(tensor.isfinite().all() for tensor in gradient.values())
    assert behaviour(model, data).cross_entropy == pytest.approx(loss.item(), abs=1e-5)


def test_a_run_goes_on_from_what_was_kept_to_the_same_model(tmp_path):
    states = []
    whole = train_recipe(COPYING.recipe, COPYING, keep=states.append)
    path = tmp_path / "training.safetensors"
    path.write_bytes(encode(Unfinished(states[0], "cpu", 1, torch.__version__)))
    start = read_unfinished(path, COPYING).state
    assert start.epochs_done == 1
    again = train_recipe(COPYING.recipe, COPYING, start=start)
    assert again.history == whole.history
    assert equal(again.model, whole.model)


def test_a_card_says_what_was_measured_at_the_scored_positions(trained):
    metrics = json.loads(card_path(trained).read_text())["metrics"]
    assert "cross_entropy_rise_by_zeroed_neuron" not in metrics
    model = read_checkpoint(trained, COPYING).model
    expected = behaviour(model, COPYING.evaluation(model.cfg))
    assert metrics["behaviour"]["cross_entropy"] == pytest.approx(expected.cross_entropy)
    assert metrics["evaluated_on"] == "40 sequences, from the separator on"


def test_the_same_command_trains_nothing_anew(trained, capsys):
    assert run("train", "--out", trained.parent) == 0
    assert "was trained with this recipe" in capsys.readouterr().out


def test_what_is_converted_has_no_order_of_rows(trained, tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    assert run("convert", trained, out) == 0
    assert set(read_checkpoint(out, COPYING).card["converted_from"]) == {"file", "sha256", "format", "n_heads"}
    output = capsys.readouterr().out
    assert "rows" not in output
    assert "python -m copying_model verify" in output


def test_a_checkpoint_is_inspected_or_its_tensors_listed(trained, capsys):
    assert run("inspect", trained) == 0
    assert capsys.readouterr().out == "copies\n"
    assert run("inspect", SYSTEM.reference) == 4
    captured = capsys.readouterr()
    assert "blocks.0.mlp.W_in" in captured.out
    assert captured.err.endswith("and no weights of a layer norm: it is not a checkpoint of the copying transformer\n")
    assert "has an MLP" in captured.err


def test_options_that_there_are_not_are_refused(tmp_path, capsys):
    for arguments in (["inspect", "x", "--token-order", "value"], ["train", "--out", tmp_path, "--d-mlp", "3"]):
        with pytest.raises(SystemExit):
            run(*arguments)
        assert "unrecognized arguments" in capsys.readouterr().err
    assert run("sweep", "--seeds", "0", "--out", tmp_path, "--grid", "d_mlp=2,4") == 2
    assert "no option with values, such as d_model=8,16; there are: epochs" in capsys.readouterr().err
