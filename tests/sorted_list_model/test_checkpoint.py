"""Files of a model that sorts lists: as published, of a bridge, converted, and those of another system."""

import struct
from collections import OrderedDict

import pytest
import torch
from saved_files import equal, hooked, rezipped

from cumsum_model.system import SYSTEM as CUMSUM
from sorted_list_model.__main__ import main
from sorted_list_model.config import SortedListConfig
from sorted_list_model.system import SYSTEM
from sorted_list_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import CheckpointError, NotThisModel, Reading, read_checkpoint, refusal_of
from toy_model.checkpoint.stored import load_stored

PUBLISHED_NAMES = (
    *("embed.W_E", "pos_embed.W_pos", "blocks.0.ln1.w", "blocks.0.ln1.b"),
    *(f"blocks.0.attn.{name}" for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O", "mask", "IGNORE")),
    *("ln_final.w", "ln_final.b", "unembed.W_U", "unembed.b_U"),
)


def as_published(model):
    """The state dict of the released file: with a mask for positions and a score of size 1e5 for those it hides."""
    state = hooked(model)
    state["blocks.0.attn.IGNORE"] = torch.tensor(1e5)
    assert set(state) == set(PUBLISHED_NAMES)
    return OrderedDict((name, state[name]) for name in PUBLISHED_NAMES)


def refusal(path, task):
    with pytest.raises(NotThisModel) as caught:
        read_checkpoint(path, task)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_the_published_format_is_read_wherever_its_tensors_were(save, trained):
    path = save(as_published(trained))

    def move(members):
        (name,) = [name for name in members if name.endswith("data.pkl")]
        before, after = (b"X" + struct.pack("<I", len(device)) + device for device in (b"cpu", b"cuda:0"))
        assert before in members[name]
        members[name] = members[name].replace(before, after)

    rezipped(path, move)
    checkpoint = read_checkpoint(path, SYSTEM)
    assert equal(checkpoint.model, trained)
    assert checkpoint.model.cfg == SortedListConfig()
    assert checkpoint.notes == ("left out blocks.0.attn.mask, blocks.0.attn.IGNORE: buffers, not parameters",)


def test_a_mask_that_is_not_causal_is_refused(save, trained):
    state = as_published(trained)
    state["blocks.0.attn.mask"] = torch.ones(21, 21).bool()
    assert "blocks.0.attn.mask is not the causal mask" in refusal(save(state), SYSTEM)


def test_a_bridge_is_the_model_that_it_was_made_of(save, trained):
    checkpoint = read_checkpoint(save(trained.bridge().state_dict()), SYSTEM)
    assert equal(checkpoint.model, trained)
    assert checkpoint.format == "torch.save state dict of a TransformerLens bridge"
    assert "taken to have 2 heads, which a bridge's file does not say" in checkpoint.notes


def test_a_bridge_of_one_head_is_read_as_one_if_told(save):
    model = untrained(SortedListConfig(n_heads=1), seed=1)
    path = save(model.bridge().state_dict())
    assert equal(read_checkpoint(path, SYSTEM, reading=Reading(n_heads=1)).model, model)


def test_what_is_converted_is_what_was_read(save, tmp_path, trained, capsys):
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(save(as_published(trained))), str(out)]) == 0
    assert out.read_bytes() == REFERENCE.read_bytes()
    assert set(read_checkpoint(out, SYSTEM).card["converted_from"]) == {"file", "sha256", "format", "n_heads"}
    assert "python -m sorted_list_model verify" in capsys.readouterr().out


@pytest.mark.parametrize("sizes", [{"max_value": 20, "n_ctx": 9}, {"n_heads": 4, "d_head": 24}, {"n_layers": 2}])
def test_models_of_other_sizes_are_read(save, sizes):
    model = untrained(SortedListConfig(**sizes), seed=1)
    checkpoint = read_checkpoint(save(model.state_dict()), SYSTEM)
    assert checkpoint.model.cfg == model.cfg
    assert equal(checkpoint.model, model)


@pytest.mark.parametrize(
    ("positions", "tokens", "told"),
    [
        (20, 52, "pos_embed.W_pos has 20 rows, expected an odd number of at least 3"),
        (1, 52, "pos_embed.W_pos has 1 rows, expected an odd number of at least 3"),
        (3, 2, "embed.W_E has 2 rows, expected max_value + 2, at least 3"),
        (
            21,
            10,
            "pos_embed.W_pos has 21 rows, for lists of 10 different numbers, and embed.W_E has 10, for SEP and 9 num",
        ),
    ],
)
def test_sizes_of_no_list_name_the_tensors(save, trained, positions, tokens, told):
    state = dict(trained.state_dict())
    state["pos_embed.W_pos"] = state["pos_embed.W_pos"][:positions].clone()
    state["embed.W_E"] = state["embed.W_E"][:tokens].clone()
    state |= {name: tensor[..., :tokens].clone() for name, tensor in state.items() if name.startswith("unembed")}
    assert told in refusal(save(state), SYSTEM)


def test_every_number_may_be_in_every_list(save):
    model = untrained(SortedListConfig(max_value=9), seed=1)
    assert read_checkpoint(save(model.state_dict()), SYSTEM).model.cfg.list_len == 10


def test_another_number_of_answers_is_refused(save, trained):
    state = dict(trained.state_dict())
    fewer = {name: tensor[..., :51].clone() for name, tensor in state.items() if name.startswith("unembed")}
    assert "unembed.W_U has 51 outputs, expected 52, one for each row of W_E" in refusal(save(state | fewer), SYSTEM)


def test_each_system_refuses_the_files_of_the_other_in_one_line(save, trained, reference):
    told = refusal(CUMSUM.reference, SYSTEM)
    assert told == (
        "has an MLP (blocks.0.mlp.W_in) and no weights of a layer norm: it is not a checkpoint of the sorted list "
        "transformer"
    )
    told = refusal(REFERENCE, CUMSUM)
    assert told == "has layer norm (blocks.0.ln1.b): it is not a checkpoint of the cumulative sum transformer"
    for bridge, task in ((reference.bridge(), SYSTEM), (trained.bridge(), CUMSUM)):
        assert "it is not a checkpoint of" in refusal(save(bridge.state_dict()), task)


def test_names_and_shapes_say_which_system_a_file_is_of(save, trained):
    files = (CUMSUM.reference, REFERENCE, save(as_published(trained), "a.pt"), save(trained.bridge().state_dict()))
    refusals = [[refusal_of(load_stored(path, ""), task) for task in (CUMSUM, SYSTEM)] for path in files]
    assert [[refusal is None for refusal in both] for both in refusals] == [[True, False], *[[False, True]] * 3]


def test_weights_that_are_not_finite_are_refused(save, trained):
    state = dict(trained.state_dict())
    state["ln_final.b"] = state["ln_final.b"].clone().fill_(torch.nan)
    with pytest.raises(CheckpointError, match="b is nan at"):
        read_checkpoint(save(state), SYSTEM)
