"""A TransformerLens 4 bridge, and the three kinds of state that people save of one."""

import pytest
import safetensors.torch
import torch
from saved_files import SMALL, complaint, equal, hooked, read

from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM
from cumsum_model.task import untrained
from toy_model.checkpoint.checkpoint import Reading, read_checkpoint


@pytest.mark.parametrize("container", ["torch.save", "safetensors"])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("n_heads", [1, 2])
def test_a_bridge_is_the_model_that_it_was_made_of(tmp_path, save, n_heads, n_layers, container):
    cfg = CumsumConfig(max_value=2, n_ctx=6, n_layers=n_layers, n_heads=n_heads, d_model=8, d_head=3, d_mlp=5)
    model = untrained(cfg, seed=1)
    for tensor in model.state_dict().values():  # biases, too
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(tensor.numel())))
    state = model.bridge().state_dict()
    if container == "torch.save":
        path = save(state)
    else:
        path = tmp_path / "bridge.safetensors"
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    read = read_checkpoint(path, SYSTEM, reading=Reading(token_order="value", n_heads=n_heads))
    assert read.model.cfg == cfg
    assert equal(read.model, model)
    assert read.format.endswith("of a TransformerLens bridge")


def test_a_bridge_is_taken_to_have_one_head_unless_told(save):
    model = untrained(SMALL, seed=1)
    path = save(model.bridge().state_dict())
    read = read_checkpoint(path, SYSTEM)
    assert (read.model.cfg.n_heads, read.model.cfg.d_head) == (1, 6)
    assert "taken to have 1 head" in read.notes[0]
    assert "blocks.0.attn.q.weight has 6 rows for all heads, which 4 heads cannot share" in complaint(
        path, reading=Reading(n_heads=4)
    )
    assert "W_Q has 2 heads by its shape, not 3" in complaint(save(hooked(model)), reading=Reading(n_heads=3))


def a_model(n_heads=2, n_layers=2):
    """Every parameter drawn, biases, too, but for that of the unembedding, which a bridge does not train."""
    cfg = CumsumConfig(max_value=2, n_ctx=6, n_layers=n_layers, n_heads=n_heads, d_model=8, d_head=3, d_mlp=5)
    model = untrained(cfg, seed=1)
    for name, tensor in model.state_dict().items():
        if name != "unembed.b_U":
            tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(tensor.numel())))
    return model


STATES = {
    "state_dict": lambda bridge: bridge.state_dict(),
    "named_parameters": lambda bridge: dict(bridge.named_parameters()),
    "list of named_parameters": lambda bridge: list(bridge.named_parameters()),
    "original_model.state_dict": lambda bridge: bridge.original_model.state_dict(),
    "original_model.named_parameters": lambda bridge: dict(bridge.original_model.named_parameters()),
}


@pytest.mark.parametrize("kind", STATES)
def test_every_state_that_comes_of_a_bridge_is_the_model(save, kind):
    model = a_model()
    saved = read(save(STATES[kind](model.bridge())), reading=Reading("value", 2))
    assert equal(saved.model, model)
    assert saved.format == "torch.save state dict of a TransformerLens bridge"


def test_a_bias_that_a_bridge_keeps_as_a_buffer_is_said_to_be_taken_as_zero(save):
    bridge = a_model().bridge()
    saved = read(save(dict(bridge.named_parameters())), reading=Reading("value", 2))
    assert any("b_U taken to be 0" in note for note in saved.notes)
    saved = read(save(bridge.original_model.state_dict()), reading=Reading("value", 2))
    assert not any("b_U" in note for note in saved.notes)


def test_a_part_that_differs_between_its_two_names_is_refused(save):
    state = {name: tensor.clone() for name, tensor in a_model().bridge().original_model.state_dict().items()}
    state["layers.0.attn.q._original_component.weight"] += 1
    assert "twice" in complaint(save(state))
    state = {name: tensor.clone() for name, tensor in a_model().bridge().original_model.state_dict().items()}
    for name in state:
        if name.startswith("layers.1.") and ".mlp.in." in name and name.endswith(".weight"):  # and not that of fc_in
            state[name] += 1
    assert "holds blocks.1.mlp.in.weight twice, with different numbers" in complaint(save(state))


def test_a_missing_part_of_a_bridge_is_named(save, reference):
    state = {name: w for name, w in reference.bridge().state_dict().items() if name != "blocks.0.attn.q.bias"}
    assert complaint(save(state)) == "blocks.0.attn.q.bias is missing"
