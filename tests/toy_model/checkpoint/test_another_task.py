"""A file of a model with layer norm and without an MLP is read for its task, and for no other."""

import pytest
import torch
from another_system import COPYING, drawn
from saved_files import complaint, equal, hooked, prefixed

from toy_model.architectures import OURS, Architecture, in_words, logits, others, taken_for_granted
from toy_model.checkpoint.checkpoint import CheckpointError, Reading, read_checkpoint, write_checkpoint


def read(path, **options):
    return read_checkpoint(path, COPYING, **options)


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        read(path, **options)
    return str(caught.value).removeprefix(f"{path}: ")


def test_what_is_written_is_read(tmp_path):
    written = write_checkpoint(tmp_path / "model.safetensors", drawn(n_layers=2), {})
    assert equal(read(written.path).model, drawn(n_layers=2))
    assert read(written.path).notes == ()


def test_a_state_dict_of_a_HookedTransformer_is_the_model(save):
    state = hooked(drawn())
    assert {"blocks.0.ln1.w", "ln_final.b", "blocks.0.attn.mask", "blocks.0.attn.IGNORE"} <= state.keys()
    checkpoint = read(save(prefixed("model.", state)))
    assert equal(checkpoint.model, drawn())
    assert checkpoint.model.cfg == COPYING.recipe.config
    assert not any("attention alone" in note for note in checkpoint.notes)


def test_float16_is_read_as_the_numbers_that_it_is(save):
    state = {name: tensor.half() for name, tensor in drawn().state_dict().items()}
    checkpoint = read(save(state))
    assert torch.equal(checkpoint.model.ln_final.w, state["ln_final.w"].float())
    assert checkpoint.notes == ("float16 in the file, which is float32 exactly",)


STATES = {
    "state_dict": lambda bridge: bridge.state_dict(),
    "named_parameters": lambda bridge: dict(bridge.named_parameters()),
    "original_model.state_dict": lambda bridge: bridge.original_model.state_dict(),
    "original_model.named_parameters": lambda bridge: dict(bridge.original_model.named_parameters()),
}


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("n_layers", [1, 2])
def test_every_state_that_comes_of_a_bridge_is_the_model(save, kind, n_layers):
    model = drawn(n_layers=n_layers)
    model.unembed.b_U.zero_()  # which a bridge does not train
    path = save(STATES[kind](model.bridge()))
    assert equal(read(path, reading=Reading(n_heads=2)).model, model)
    assert equal(read(path).model, model)
    assert "taken to have 2 heads, which a bridge's file does not say" in read(path).notes
    assert read(path, reading=Reading(n_heads=3)).model.cfg.d_head == 2


def test_a_missing_part_of_a_bridge_is_named(save):
    state = {name: tensor for name, tensor in drawn().bridge().state_dict().items() if name != "blocks.0.ln1.bias"}
    assert refusal(save(state)) == "blocks.0.ln1.bias is missing"


def test_the_file_of_one_task_is_none_of_another(save, reference):
    assert refusal(save(hooked(reference))) == (
        "has an MLP (blocks.0.mlp.W_in) and no weights of a layer norm: "
        "it is not a checkpoint of the copying transformer"
    )
    assert complaint(save(hooked(drawn()))) == (
        "has layer norm (blocks.0.ln1.b): it is not a checkpoint of the cumulative sum transformer"
    )
    assert "has an MLP (blocks.0.mlp.W_in) and no" in refusal(save(reference.bridge().state_dict()))
    assert "has layer norm (blocks.0.ln1.b)" in complaint(save(drawn().bridge().state_dict()))


def test_other_weights_of_a_layer_norm_are_named(save):
    state = dict(drawn().state_dict())
    del state["blocks.0.ln1.b"]
    assert refusal(save(state)) == "blocks.0.ln1.b is missing"
    state = drawn().state_dict() | {"ln_final.w": torch.ones(7)}
    assert refusal(save(state)) == "ln_final.w has shape (7,), expected (8,) = (d_model)"


def test_an_order_of_rows_cannot_be_asked_for_where_there_is_one(save):
    with pytest.raises(ValueError, match="token_order is 'wrapped'; there is none to choose"):
        read(save(drawn().state_dict()), reading=Reading("wrapped"))


def test_the_usual_others_have_its_own_layer_norm():
    model = drawn(n_layers=2)
    toks = torch.randint(52, (20, 9), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(logits(model, toks, OURS), model(toks))
    unscaled, sees_ahead = Architecture(scaled=False), Architecture(causal=False)
    assert set(others(model)) == {unscaled, sees_ahead, Architecture(scaled=False, causal=False)}
    louder = drawn(n_layers=2)
    for block in louder.blocks:
        block.attn.W_Q.mul_(3**0.5)
        block.attn.b_Q.mul_(3**0.5)
    torch.testing.assert_close(logits(model, toks, unscaled), louder(toks), atol=1e-4, rtol=0)
    assert not torch.allclose(logits(model, toks, sees_ahead)[:, 0], model(toks)[:, 0])
    one_layer = drawn()  # of which the last position sees the same either way
    torch.testing.assert_close(logits(one_layer, toks, sees_ahead)[:, -1], one_layer(toks)[:, -1])


def test_what_no_file_says_of_it_is_said():
    assert in_words(drawn()) == "no neurons, layer norm, scores / sqrt(d_head), causal"
    granted = taken_for_granted(drawn())
    assert granted["activation"] == "none"
    assert granted["normalisation"] == "layer norm before each part, epsilon 1e-05"
