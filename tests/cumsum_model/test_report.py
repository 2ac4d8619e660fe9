"""What this suite adds to the report: what is proved of the checkpoint, its weights, its table of mutants."""

import base64
import re

import pytest
import safetensors.torch
from pytest_claims.report.report import Report
from pytest_claims.subject import Note

from cumsum_model import mutants
from cumsum_model import report as module
from cumsum_model.config import CumsumConfig
from cumsum_model.figures import FIGURES
from cumsum_model.proof.certificate import certify
from cumsum_model.report import BELONGS_TO, details, illustrate, proof, stored_model
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkout import CLAIMS
from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from toy_model.reporting import MATRIX_TITLE


@pytest.fixture
def described(tmp_path):
    def described(model):
        return details(write_checkpoint(tmp_path / "model.safetensors", model, {}), "cpu")

    return described


def test_the_shipped_checkpoint_is_told_to_be_proved_right():
    subject = details(read_checkpoint(REFERENCE, SYSTEM), "cpu")
    (note,) = subject.notes
    assert note.good
    every = "672,749,994,932,560,009,201 sequences of 20 values in -5 .. 5"
    assert note.text.startswith(f"Proved right at every position of all {every}: the smallest margin is +0.285")
    assert note.text.endswith("logits, more than float32 can add")
    assert dict(subject.facts)["file"] == "safetensors"
    assert dict(subject.facts)["trained by"] == "seed 42, epochs 20, train size 150000, kept epoch 8"


def test_a_model_that_is_wrong_somewhere_is_told_how_often_and_where(described, reference):
    (note,) = described(mutants.open_back_door(reference)).notes
    assert not note.good
    assert "of length 20, 17,291 of 672,749,994,932,560,009,201 are wrong, and this one is: 5 " in note.text


def test_a_margin_that_rounding_could_eat_is_not_good(described, reference, monkeypatch):
    monkeypatch.setattr(module, "margin_error", lambda model: 1.0)
    (note,) = described(reference).notes
    assert not note.good
    assert "not more than float32 can add" in note.text


def test_a_model_of_which_nothing_is_proved_says_why(described):
    (note,) = described(untrained(CumsumConfig(n_layers=2), seed=3)).notes
    assert not note.good
    assert note.text.startswith("Nothing is proved of every sequence: ")


def test_weights_are_stored_to_the_bit(described, reference):
    model = stored_model(described(reference).suite)
    assert all(tensor.equal(reference.state_dict()[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("config", [CumsumConfig(n_ctx=80), CumsumConfig(d_model=1500)], ids=["long", "wide"])
def test_models_too_large_for_a_page_are_left_out_and_refused(described, config):
    model = untrained(config, seed=3)
    subject = described(model)
    assert "weights" not in subject.suite
    assert dict(subject.facts)["figures"] == "left out: the model is too large for a page"
    assert list(illustrate(Report(subject=subject)).panels) == []
    content = base64.b64encode(safetensors.torch.save(dict(model.state_dict()))).decode()
    with pytest.raises(CheckpointError, match="the stored weights are"):
        stored_model({"weights": content})


def test_the_table_of_mutants_belongs_to_the_shipped_checkpoint_alone(described, reference):
    stored = details(read_checkpoint(REFERENCE, SYSTEM), "cpu").suite["matrix"]["mutants"]
    assert {mutant.__name__ for mutant in mutants.ALL} < set(stored)
    assert "matrix" not in described(mutants.add_some_noise(reference)).suite


def test_every_figure_stands_beside_claims_that_there_are(described, reference):
    drawn = illustrate(Report(subject=described(reference))).figures
    names = [figure.name for title, figures in drawn.items() if title != MATRIX_TITLE for figure in figures]
    assert sorted(names) == sorted(BELONGS_TO)
    assert len(BELONGS_TO) == len(FIGURES)
    assert all((CLAIMS / "cumsum" / file).is_file() for file in BELONGS_TO.values())


def test_neurons_of_the_shipped_checkpoint_are_told_by_side():
    neurons = dict(details(read_checkpoint(REFERENCE, SYSTEM), "cpu").facts)["neurons"]
    assert (
        neurons == "2 on positive means (2, 7), 4 on negative means (4, 3, 0, 1), 2 dead (5, 6), each strongest first"
    )


def test_a_retrained_checkpoint_is_told_who_plays_the_parts_of_the_shipped_ones():
    neurons = dict(details(read_checkpoint(REFERENCE.parent / "seed7.safetensors", SYSTEM), "cpu").facts)["neurons"]
    assert neurons == (
        "4 on positive means (3, 2, 7, 0), 3 on negative means (6, 1, 5), 1 dead (4), each strongest first; "
        "3 plays the part of the shipped checkpoint's 2 (0.75 alike), 2 of its 7 (0.82), 6 of its 4 (0.81), "
        "1 of its 3 (0.89), 5 of its 0 (0.86), none of its 1"
    )


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        (CumsumConfig(n_layers=2), r"no roles: this is an account of one layer, the model has 2"),
        (
            CumsumConfig(d_mlp=1),
            r"1 on (posi|nega)tive means \(0\), .*; none plays the part of .* 2, 7, 4, 3, 0, 1",
        ),
        (CumsumConfig(d_mlp=600), r".* dead \((\d+, ){7}\d+ and \d+ more\), each strongest first; none plays .*"),
        (CumsumConfig(d_mlp=10_001), r".*; too many to compare with those of the shipped checkpoint"),
    ],
    ids=["two layers", "one neuron", "many", "too many"],
)
def test_neurons_of_any_model_are_told_in_few_words(described, monkeypatch, config, pattern):
    monkeypatch.setattr(module, "_proof", lambda model: Note("a proof would take minutes", good=True))
    text = dict(described(untrained(config, seed=0)).facts)["neurons"]
    assert re.fullmatch(pattern, text.removeprefix("0 on positive means, ")), text
    assert len(text) < 400


def test_what_is_proved_is_proved_once(reference, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "certify", lambda model: calls.append(model) or certify(model))
    proof.cache_clear()
    assert proof(reference)[0] is proof(reference)[0]
    assert len(calls) == 1
