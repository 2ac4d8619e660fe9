"""`inspect`: what is in a file, of this model or of another."""

import json

import pytest
import torch
from saved_files import hooked

from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import Reading, inspect_checkpoint, write_checkpoint


def inspected(path, *options, capsys):
    assert main(["inspect", str(path), *options]) == 0
    return capsys.readouterr().out


def test_inspect_says_what_is_in_a_file(save, reference, capsys):
    output = inspected(REFERENCE, capsys=capsys)
    for part in ("seed 42", "embed.W_E              [11, 24]", "0.0731691", "8 of 8"):
        assert part in output
    assert "MISREAD" not in output
    document = json.loads(inspected(save(hooked(reference)), "--json", capsys=capsys))
    assert document["config"]["d_model"] == 24
    assert document["parameters"]["blocks.0.attn.W_Q"] == [1, 24, 12]
    assert document["diagnosis"]["accuracy"] == 1
    assert document["diagnosis"]["r_squared_mean"] > 0.999
    assert document["looks_misread"] is None


def test_inspect_diagnoses_what_the_others_refuse(save, reference, capsys):
    path = save(hooked(reference, wrapped=True))
    assert "LOOKS MISREAD: its embedding rows look wrapped" in inspected(path, capsys=capsys)
    document = json.loads(inspected(path, "--json", capsys=capsys))
    assert document["looks_misread"]["options"] == "--token-order wrapped"
    assert "MISREAD" not in inspected(path, "--token-order", "wrapped", capsys=capsys)
    assert inspect_checkpoint(path, SYSTEM)[1].better == Reading("wrapped")


@pytest.mark.parametrize(
    "cfg",
    [
        CumsumConfig(n_layers=2),
        CumsumConfig(max_value=1, n_ctx=1, d_model=1, d_head=1, d_mlp=1),
        CumsumConfig(max_value=1, n_ctx=3_000, d_model=4, d_head=2, d_mlp=2),
        CumsumConfig(max_value=4_900, n_ctx=1, d_model=30),
        CumsumConfig(d_model=1_500, d_mlp=2_000),
    ],
    ids=["two layers", "ones", "long", "many values", "wide"],
)
def test_inspect_says_what_does_not_apply(tmp_path, cfg, capsys):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, untrained(cfg, seed=1), {})
    document = json.loads(inspected(path, "--json", capsys=capsys))
    assert set(document["diagnosis"]) >= set(document["not_measured"])
    for name, value in document["diagnosis"].items():
        assert (value is None) == (name in document["not_measured"])
    assert "of its sequences" in document["evaluated_on"] or "the evaluation set" in document["evaluated_on"]
    if cfg.n_layers > 1:
        assert "this is an account of one layer, the model has 2" in document["not_measured"]["r_squared_mean"]
        assert "in the first of 2 layers" in inspected(path, capsys=capsys)


def test_inspect_survives_logits_that_are_not_finite(save, reference, capsys):
    state = hooked(reference)
    for name in ("embed.W_E", "blocks.0.attn.W_V", "blocks.0.attn.W_O", "blocks.0.mlp.W_in", "unembed.W_U"):
        state[name] = state[name] * 1e30
    document = json.loads(inspected(save(state), "--json", capsys=capsys))
    assert document["not_measured"]["cross_entropy"] == "not a finite number"


def listed(path, *options, capsys):
    """What `inspect` prints of a file of another model, and why it is not this one."""
    assert main(["inspect", str(path), *options]) == 4
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    return printed.out, printed.err


def test_inspect_lists_the_tensors_of_another_model(save, capsys):
    state = {
        "embed.W_E": torch.ones(53, 4),
        "blocks.0.attn.W_Q": torch.ones(2, 4, 3).half(),
        "a\nb\x1b[31m": torch.ones(1),
    }
    out, err = listed(save({"state_dict": state}), capsys=capsys)
    assert 'taken from its entry "state_dict"' in out
    assert "3 tensors, 237 numbers" in out
    assert "[53, 4] float32" in out
    assert "[2, 4, 3] float16" in out
    assert "\x1b" not in out
    assert "pos_embed.W_pos is missing" in err
    plain = json.loads(listed(save(state), "--json", capsys=capsys)[0])
    assert plain["tensors"]["blocks.0.attn.W_Q"] == {"shape": [2, 4, 3], "dtype": "float16"}
    assert plain["refused"].endswith("pos_embed.W_pos is missing")


def test_why_a_file_is_another_model_is_one_line(save, reference, capsys):
    state = dict(reference.state_dict())
    for tensors, why in (
        (
            state | {"blocks.0.ln1.w": torch.ones(24)},
            "has layer norm (blocks.0.ln1.w): it is not a checkpoint of the cumulative sum transformer",
        ),
        (
            {"fc.weight": torch.ones(2, 3)},
            "embed.W_E is missing: none of its 1 tensors has a name of this architecture",
        ),
        (state | {"unembed.W_U": torch.ones(24, 51), "unembed.b_U": torch.ones(51)}, "unembed.W_U has 51 outputs"),
    ):
        assert why in listed(save(tensors), capsys=capsys)[1]


def test_attention_alone_is_inspected(save, reference, capsys):
    state = {name: tensor for name, tensor in hooked(reference).items() if ".mlp." not in name}
    output = inspected(save(state), capsys=capsys)
    assert "attention alone" in output
    assert "0 of 0" in output


def test_what_no_file_says_is_said(save, reference, capsys):
    assert "as         ReLU, no norm, scores / sqrt(d_head), causal: no file says so" in inspected(
        REFERENCE, capsys=capsys
    )
    document = json.loads(inspected(save(hooked(reference)), "--json", capsys=capsys))
    assert document["taken_for_granted"] == {
        "activation": "ReLU",
        "normalisation": "none",
        "scores": "divided by sqrt(d_head)",
        "attention": "causal",
    }
