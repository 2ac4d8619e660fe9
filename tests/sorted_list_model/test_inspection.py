"""The first look at a model that sorts lists."""

import json

import pytest
from saved_files import hooked

from sorted_list_model.__main__ import main
from sorted_list_model.config import SortedListConfig
from sorted_list_model.inspection import in_ranges
from sorted_list_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import write_checkpoint


def inspected(path, *options, capsys):
    assert main(["inspect", str(path), *options]) == 0
    return capsys.readouterr().out


def found(path, capsys):
    return json.loads(inspected(path, "--json", capsys=capsys))


def test_what_is_in_the_shipped_file_is_told(capsys):
    told = inspected(REFERENCE, capsys=capsys)
    for part in (
        "no neurons, layer norm, scores / sqrt(d_head), causal: no file says so, it is taken for granted",
        "trained by seed 42, epochs 25, train size 150000, kept epoch 24",
        "49,684 parameters",
        "  blocks.0.ln1.w         [96]",
        "diagnosis, on the evaluation set, SEP and the sorted numbers but the last",
        "  accuracy               0.999\n",
        "  accuracy at SEP        1.000\n",
        "  head 0.0               its mean-ablation costs 0.920",
        "nats; copies 2, 28..37\n",
        "nats; copies 0..28, 35..50\n",
    ):
        assert part in told
    assert "MISREAD" not in told


def test_the_same_is_told_to_other_programs(save, trained, capsys):
    plain = found(save(hooked(trained)), capsys)
    assert plain["config"]["n_heads"] == 2
    assert plain["parameters"]["blocks.0.attn.W_Q"] == [2, 96, 48]
    assert plain["diagnosis"]["cross_entropy"] == pytest.approx(0.0387, abs=1e-4)
    assert len(plain["accuracy_by_position"]) == 10
    assert sum(plain["accuracy_by_position"]) / 10 == pytest.approx(plain["diagnosis"]["accuracy"])
    assert [head["cost"] for head in plain["heads"]] == pytest.approx([0.920, 4.963], abs=1e-3)
    assert plain["heads"][0]["copies"] == [2, *range(28, 38)]
    assert plain["taken_for_granted"]["activation"] == "none"
    assert plain["looks_misread"] is None
    assert "token_order" not in plain


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_layers": 2},
        {"max_value": 1, "n_ctx": 3, "n_heads": 1, "d_model": 2, "d_head": 1},
        {"max_value": 98, "n_ctx": 99, "n_heads": 16, "d_model": 500},
        {"d_model": 1_500},
    ],
    ids=["two layers", "smallest", "long", "wide"],
)
def test_what_does_not_apply_or_would_take_long_is_said(tmp_path, sizes, capsys):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, untrained(SortedListConfig(**sizes), seed=1), {})
    plain = found(path, capsys)
    assert isinstance(plain["diagnosis"]["accuracy"], float)
    if "n_layers" in sizes:
        assert plain["heads"] == "does not apply: this is an account of one layer, the model has 2"
        assert plain["heads"] in inspected(path, capsys=capsys)
    elif "n_ctx" in sizes and sizes["n_ctx"] == 99:
        assert "of its lists" in plain["evaluated_on"]
        assert plain["heads"] == "not measured: the model is too large for a first look"
    else:
        assert len(plain["heads"]) == plain["config"]["n_heads"]


def test_logits_that_are_not_finite_are_survived(save, trained, capsys):
    state = hooked(trained)
    for name in ("unembed.W_U", "ln_final.w"):
        state[name] = state[name] * 1e30
    plain = found(save(state), capsys)
    assert plain["not_measured"]["cross_entropy"] == "not a finite number"
    assert plain["heads"] == "not measured: the model's logits are not finite"


def test_a_file_of_another_model_lists_its_tensors(reference, save, capsys):
    assert main(["inspect", str(save(hooked(reference)))]) == 4
    told = capsys.readouterr()
    assert "blocks.0.mlp.W_in" in told.out
    assert told.err.endswith("it is not a checkpoint of the sorted list transformer\n")


@pytest.mark.parametrize(
    ("numbers", "told"), [([], "none"), ([4], "4"), ([0, 1], "0..1"), ([2, 28, 29, 30, 50], "2, 28..30, 50")]
)
def test_successive_numbers_are_told_as_ranges(numbers, told):
    assert in_ranges(numbers) == told
