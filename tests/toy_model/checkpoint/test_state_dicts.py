"""State dicts of others, and what of them is the model."""

import hashlib
import io
import itertools
import struct
from collections import OrderedDict

import pytest
import safetensors.torch
import torch
from saved_files import complaint, equal, hooked, read, rezipped

from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM
from cumsum_model.task import untrained
from toy_model.checkpoint.checkpoint import Reading, read_checkpoint
from toy_model.checkpoint.torch_file import read_archive


@pytest.mark.parametrize("wrapped", [False, True], ids=["value", "wrapped"])
def test_a_state_dict_of_a_HookedTransformer_is_the_model(save, reference, wrapped):
    read = read_checkpoint(
        save(hooked(reference, wrapped)),
        SYSTEM,
        reading=Reading("wrapped" if wrapped else None),
    )
    assert equal(read.model, reference)
    assert read.format == "torch.save state dict"
    assert read.notes == ("left out blocks.0.attn.mask, blocks.0.attn.IGNORE: buffers, not parameters",)


def test_the_sha256_is_that_of_the_file(save, reference):
    path = save(hooked(reference))
    assert read_checkpoint(path, SYSTEM).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_buffers_in_a_safetensors_file_are_left_out(tmp_path, reference):
    path = tmp_path / "new.safetensors"
    safetensors.torch.save_file(hooked(reference), path)
    assert equal(read_checkpoint(path, SYSTEM).model, reference)


def test_parameters_and_metadata_of_modules_are_read(save, reference):
    assert equal(read_checkpoint(save(reference.state_dict()), SYSTEM).model, reference)  # has `_metadata`
    parameters = {name: torch.nn.Parameter(tensor) for name, tensor in reference.state_dict().items()}
    assert equal(read_checkpoint(save(parameters), SYSTEM).model, reference)


def test_views_strides_and_shared_storages_are_read(save, reference):
    state = hooked(reference)
    state["embed.W_E"] = state["embed.W_E"].T.contiguous().T
    whole = torch.cat([torch.ones(7), state["unembed.b_U"], torch.ones(5)])
    state["unembed.b_U"] = whole[7:10]
    state["blocks.0.attn.b_V"] = torch.tensor(0.25).expand(1, 12)
    read = read_checkpoint(save(state), SYSTEM).model
    for name, tensor in read.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_the_byte_order_of_the_machine_that_saved_is_respected(save, reference):
    path = save({name: tensor for name, tensor in hooked(reference).items() if not name.endswith("mask")})

    def turn(members):
        for name, content in members.items():
            if "/data/" in name:
                members[name] = torch.frombuffer(bytearray(content), dtype=torch.int32).numpy().byteswap().tobytes()
        members["new/byteorder"] = b"big"

    rezipped(path, turn)
    assert torch.equal(torch.load(path, weights_only=True)["embed.W_E"], reference.W_E)
    assert equal(read_checkpoint(path, SYSTEM).model, reference)


@pytest.mark.parametrize(
    "mask",
    [
        torch.ones(20, 20).bool(),
        torch.ones(20, 20).tril(),
        torch.ones(19, 19).tril().bool(),
        torch.ones(20, 20).triu().bool(),
    ],
    ids=["sees the future", "not boolean", "another context", "upside down"],
)
def test_a_mask_that_is_not_causal_belongs_to_another_model(save, reference, mask):
    state = hooked(reference) | {"blocks.0.attn.mask": mask}
    assert "blocks.0.attn.mask is not the causal mask" in complaint(save(state))


def test_IGNORE_has_to_hide_the_future(save, reference):
    for ignore in (-1e5, 1e5):  # some files of older versions leave out the sign
        old = hooked(reference) | {"blocks.0.attn.IGNORE": torch.tensor(ignore)}
        assert equal(read_checkpoint(save(old), SYSTEM).model, reference)
    for ignore in (torch.tensor(0.0), torch.tensor(-100.0), torch.tensor(torch.nan), torch.tensor([-torch.inf] * 2)):
        state = hooked(reference) | {"blocks.0.attn.IGNORE": ignore}
        assert "blocks.0.attn.IGNORE is not a score that hides the future" in complaint(save(state))


def test_archives_in_memory_and_on_disk_are_the_same(reference):
    file = io.BytesIO()
    torch.save(hooked(reference), file)
    state, notes = read_archive(file.getvalue())
    assert state.keys() == hooked(reference).keys()
    assert notes == ()


def test_impossible_readings_are_refused(save, reference):
    with pytest.raises(ValueError, match="token_order is 'sideways'; there are: value, wrapped"):
        read(save(hooked(reference)), reading=Reading("sideways"))
    with pytest.raises(ValueError, match="n_heads must be at least 1"):
        Reading(n_heads=0)


def test_files_from_before_torch_1_6_are_read(save, reference):
    saved = read(save(hooked(reference), _use_new_zipfile_serialization=False))
    assert equal(saved.model, reference)
    assert saved.format == "torch.save state dict from before torch 1.6"


def test_tensors_from_a_gpu_are_read(save, reference):
    """In a file they say where they were; nothing here needs to be there."""
    path = save(hooked(reference))

    def move(members):
        (name,) = [name for name in members if name.endswith("data.pkl")]
        before, after = (b"X" + struct.pack("<I", len(device)) + device for device in (b"cpu", b"cuda:0"))
        assert before in members[name]
        members[name] = members[name].replace(before, after)

    rezipped(path, move)
    assert equal(read(path).model, reference)


def test_a_tensor_that_is_the_negative_of_its_bytes_is_read_as_that(save, reference):
    """Who reads the bytes alone takes another model for this one."""
    negated = torch.complex(torch.zeros(3), -reference.unembed.b_U.detach()).conj().imag
    assert negated.is_neg()
    assert torch.equal(negated, reference.unembed.b_U)
    assert equal(read(save(hooked(reference) | {"unembed.b_U": negated})).model, reference)


@pytest.mark.parametrize(
    ("container", "dtype"),
    [
        *itertools.product(["torch.save", "before torch 1.6", "safetensors"], [torch.float16, torch.bfloat16]),
        ("safetensors", torch.float8_e5m2),
    ],
    ids=str,
)
def test_half_precision_is_read_as_the_float32_numbers_that_it_is(tmp_path, save, reference, dtype, container):
    state = OrderedDict((name, tensor.to(dtype)) for name, tensor in reference.state_dict().items())
    path = tmp_path / "half.safetensors"
    if container == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        path = save(state, _use_new_zipfile_serialization=container == "torch.save")
    saved = read(path, reading=Reading("value"))
    for name, tensor in saved.model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor.to(dtype).view(torch.uint8), state[name].view(torch.uint8))
    assert f"{str(dtype).removeprefix('torch.')} in the file, which is float32 exactly" in saved.notes


def test_float64_is_read_if_it_need_not_be_rounded(save, reference):
    state = OrderedDict((name, tensor.double()) for name, tensor in reference.state_dict().items())
    saved = read(save(state))
    assert equal(saved.model, reference)
    assert saved.notes == ("float64 in the file, which is float32 exactly",)
    state["blocks.0.mlp.W_in"][3, 5] += 1e-12
    assert complaint(save(state)) == (
        "blocks.0.mlp.W_in is float64 and not all of its numbers are float32: rounded it would be another model; "
        "if you mean that one, save model.float().state_dict()"
    )


def test_attention_alone_is_a_model_whose_MLP_has_no_neurons(save, reference):
    without = {name: tensor for name, tensor in hooked(reference).items() if ".mlp." not in name}
    without_of_a_bridge = {name: w for name, w in reference.bridge().state_dict().items() if ".mlp." not in name}
    for state in (without, without_of_a_bridge):
        saved = read(save(state), reading=Reading("value", 1))
        assert saved.model.cfg == CumsumConfig(d_mlp=0)
        assert "attention alone: read as a model whose MLP has no neurons, d_mlp 0" in saved.notes
        toks = torch.arange(11).repeat(3, 2)[:, :20]
        expected, cache = reference.run_with_cache(toks)
        expected = cache["blocks.0.hook_resid_mid"] @ reference.W_U + reference.unembed.b_U
        torch.testing.assert_close(saved.model(toks), expected)


def test_some_parameters_of_an_MLP_are_no_attention_alone(save, reference):
    state = {name: w for name, w in hooked(reference).items() if ".mlp." not in name or name.endswith("b_out")}
    assert complaint(save(state)) == "blocks.0.mlp.W_in is missing"


def test_an_MLP_without_neurons_is_read_as_it_is(save, tmp_path):
    model = untrained(CumsumConfig(d_mlp=0), seed=3)
    model.blocks[0].mlp.b_out.fill_(0.5)
    assert equal(read(save(model.state_dict())).model, model)
