import hashlib
import json
import os
import pickle

import pytest
import safetensors.torch
import torch

from cumsum_model import mutants, scope
from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkpoint import stored
from toy_model.checkpoint.checkpoint import CheckpointError, card_path, read_checkpoint, write_checkpoint


@pytest.fixture
def weights(reference):
    return {name: tensor.clone() for name, tensor in reference.state_dict().items()}


@pytest.fixture
def save(tmp_path):
    def write(tensors):
        path = tmp_path / "new.safetensors"
        safetensors.torch.save_file(tensors, path)
        return path

    return write


def complaint(path):
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, SYSTEM)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    "cfg",
    [CumsumConfig(), CumsumConfig(max_value=2, n_ctx=9, n_layers=3, n_heads=2, d_model=6, d_head=5, d_mlp=7)],
    ids=["published", "other"],
)
def test_what_is_written_is_read(tmp_path, cfg):
    model = untrained(cfg, seed=1)
    written = write_checkpoint(tmp_path / "model.safetensors", model, {"recipe": {"seed": 1}})
    read = read_checkpoint(tmp_path, SYSTEM)
    assert read.sha256 == written.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert read.card == {"recipe": {"seed": 1}, "sha256": read.sha256}
    assert read.model.cfg == cfg
    for name, tensor in model.state_dict().items():
        assert torch.equal(read.model.state_dict()[name], tensor)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.card.json", "model.safetensors"]


def test_the_same_model_gives_the_same_bytes(tmp_path, reference):
    write_checkpoint(tmp_path / "again.safetensors", reference, {})
    assert (tmp_path / "again.safetensors").read_bytes() == REFERENCE.read_bytes()


def test_a_file_that_is_not_what_its_card_says_is_refused(tmp_path, reference):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, reference, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "its card model.card.json was written for 8d15bc624a15" in complaint(path)
    card_path(path).unlink()
    assert read_checkpoint(path, SYSTEM).card is None


@pytest.mark.parametrize("card", ["{", "[]", '{"sha256": 3}', "[" * 100_000])
def test_a_broken_card_is_named(tmp_path, reference, card):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, reference, {})
    card_path(path).write_text(card)
    with pytest.raises(CheckpointError, match=r"model\.card\.json: is not"):
        read_checkpoint(path, SYSTEM)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"these are not weights\n" * 20, "is neither a safetensors file nor a torch.save archive"),
        (b"{}", "is neither a safetensors file nor a torch.save archive"),
        (REFERENCE.read_bytes()[:600], "is cut short"),
        (REFERENCE.read_bytes()[:6000], "is cut short"),
        (REFERENCE.read_bytes() + b"more", "cut short or padded"),
        ((2**62).to_bytes(8, "little") + b"{}", "is cut short"),
        ((2).to_bytes(8, "little") + b"{}", "embed.W_E is missing"),
        ((9).to_bytes(8, "little") + b'{"a": [}}', "not a valid safetensors file"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, content, message):
    path = tmp_path / "new.safetensors"
    path.write_bytes(content)
    assert message in complaint(path)


def test_a_missing_file_and_a_folder_without_a_model(tmp_path):
    assert "No such file" in complaint(tmp_path / "none.safetensors")
    assert "is a folder without a model.safetensors" in complaint(tmp_path)


def test_an_unreasonably_large_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "MAX_BYTES", 1_000)
    path = tmp_path / "large.safetensors"
    path.write_bytes(b"0" * 1_001)
    assert "takes 1,001 bytes" in complaint(path)


class TouchesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_bare_pickle_is_refused_unread(tmp_path, protocol):
    path, touched = tmp_path / "model.safetensors", tmp_path / "touched"
    path.write_bytes(pickle.dumps(TouchesAFile(touched), protocol=protocol))
    message = complaint(path)
    assert ("is a bare pickle" if protocol > 1 else "is neither a safetensors file nor a torch.save") in message
    assert not touched.exists()


def test_a_header_that_starts_like_a_pickle_is_read(save, weights):
    """A header of 128 bytes more or less puts the first byte of a pickle at the start of a good file."""
    path = save(weights)
    content = path.read_bytes()
    declared = int.from_bytes(content[:8], "little")
    padding = (0x80 - declared) % 0x100
    header = content[8 : 8 + declared] + b" " * padding
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + declared :])
    assert path.read_bytes()[:1] == b"\x80"
    assert torch.equal(read_checkpoint(path, SYSTEM).model.W_E, weights["embed.W_E"])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_weight_that_is_not_finite_is_named(save, weights, value):
    weights["blocks.0.mlp.W_in"][3, 5] = float(value)
    assert f"blocks.0.mlp.W_in is {value} at [3, 5]" in complaint(save(weights))


@pytest.mark.parametrize("name", ["embed.W_E", "blocks.0.attn.b_O", "unembed.b_U"])
def test_a_missing_tensor_is_named(save, weights, name):
    del weights[name]
    assert f"{name} is missing" in complaint(save(weights))


@pytest.mark.parametrize("name", ["extra", "blocks.0.attn.masked", "blocks.0.hook_scale"])
def test_an_unexpected_tensor_is_named(save, weights, name):
    weights[name] = torch.ones(3)
    assert f"{name} is not a parameter of this architecture" in complaint(save(weights))


def test_a_gap_between_layers_is_named(save, weights):
    weights |= {name.replace("blocks.0", "blocks.2"): w.clone() for name, w in weights.items() if "blocks" in name}
    assert "blocks.1.attn.W_Q is missing" in complaint(save(weights))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "blocks.0.mlp.W_in",
            lambda w: w.T.contiguous(),
            "has shape (8, 24), expected (24, 8) = (d_model, d_mlp)",
        ),
        ("blocks.0.mlp.b_in", lambda w: w[:4].clone(), "has shape (4,), expected (8,) = (d_mlp)"),
        ("embed.W_E", lambda w: w[:, :20].clone(), "has shape (11, 20), expected (11, 24)"),
        ("embed.W_E", lambda w: w[:10].clone(), "has 10 rows, expected 2 * max_value + 1, an odd number"),
        ("blocks.0.attn.W_Q", lambda w: w[0].clone(), "expected axes (n_heads, d_model, d_head)"),
        ("blocks.0.attn.b_O", lambda w: w[:0].clone(), "no axis may be empty"),
        ("unembed.b_U", lambda w: w.double() + 1e-12, "is float64 and not all of its numbers are float32"),
        ("unembed.b_U", lambda w: w.int(), "is int32, expected float32"),
    ],
)
def test_a_tensor_of_the_wrong_shape_or_type_is_named(save, weights, name, change, message):
    weights[name] = change(weights[name])
    complained = complaint(save(weights))
    assert name in complained
    assert message in complained


def test_four_outputs_are_refused(save, weights):
    weights["unembed.W_U"] = torch.ones(24, 4)
    weights["unembed.b_U"] = torch.ones(4)
    assert "has 4 outputs, expected 3: neg, zero, pos" in complaint(save(weights))


def test_an_interrupted_write_leaves_no_half_file(tmp_path, reference, monkeypatch):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, reference, {})
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, untrained(CumsumConfig(), 0), {})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    assert read_checkpoint(path, SYSTEM).card is None


def test_a_full_disk_leaves_what_was_there(tmp_path, reference, monkeypatch):
    path = tmp_path / "model.safetensors"
    written = write_checkpoint(path, reference, {})

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, untrained(CumsumConfig(), 0), {})
    assert read_checkpoint(path, SYSTEM).sha256 == written.sha256
    assert read_checkpoint(path, SYSTEM).card == written.card
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.card.json", "model.safetensors"]


def test_names_that_no_file_can_have_are_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="name too long"):
        read_checkpoint("a" * 300, SYSTEM)
    os.mkfifo(tmp_path / "pipe.safetensors")
    assert "is not a regular file" in complaint(tmp_path / "pipe.safetensors")


def test_a_card_that_is_a_pipe_does_not_hang(tmp_path, reference):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, reference, {})
    card_path(path).unlink()
    os.mkfifo(card_path(path))
    with pytest.raises(CheckpointError, match="is not a regular file"):
        read_checkpoint(path, SYSTEM)


def test_a_tensor_name_cannot_break_the_line(save, weights):
    weights["first\nsecond\x1b[31m"] = torch.ones(1)
    assert "first second?[31m is not a parameter" in complaint(save(weights))


def test_a_context_too_long_to_check_is_refused(save, weights):
    weights["pos_embed.W_pos"] = torch.zeros(3_000, 24)
    assert "more than the 10,000 (position, token) pairs" in complaint(save(weights))


def test_neuron_numbers_belong_to_the_reference_and_its_edited_copies(reference):
    assert scope.not_the_reference(reference) is None
    assert scope.not_the_reference(mutants.split_strongest_neuron(reference)) is None
    assert scope.not_the_reference(mutants.swap_verdicts(reference)) is None
    assert "the shipped checkpoint alone" in scope.not_the_reference(mutants.untrained(reference))
    longer = untrained(CumsumConfig(n_ctx=21), seed=42)
    longer.load_state_dict(
        reference.state_dict() | {"pos_embed.W_pos": torch.cat([reference.W_pos, reference.W_pos[-1:]])}
    )
    assert "the shipped checkpoint alone" in scope.not_the_reference(longer)
    other_sizes = untrained(CumsumConfig(max_value=3, d_mlp=4), seed=42)
    assert "the shipped checkpoint alone" in scope.not_the_reference(other_sizes)


def test_the_card_of_the_fixture_names_no_place_and_no_time():
    card = json.loads(card_path(REFERENCE).read_text())
    assert card.keys() == {
        "format",
        "recipe",
        "kept_epoch",
        "history",
        "trained_on",
        "versions",
        "metrics",
        "sha256",
    }
