"""Folders as Hugging Face has them, shards under an index, and a shard by itself."""

import hashlib
import json

import pytest
import safetensors.torch
import torch
from saved_files import complaint, equal, hooked, read

from toy_model.checkpoint import stored


@pytest.fixture(params=["safetensors", "bin"])
def sharded(request, tmp_path, reference):
    """A folder with the reference in three shards and their index."""
    state = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    model = {"safetensors": "model", "bin": "pytorch_model"}[request.param]
    where = {name: f"{model}-0000{1 + i % 3}-of-00003.{request.param}" for i, name in enumerate(sorted(state))}
    for file in set(where.values()):
        part = {name: tensor for name, tensor in state.items() if where[name] == file}
        if request.param == "safetensors":
            safetensors.torch.save_file(part, tmp_path / file)
        else:
            torch.save(part, tmp_path / file)
    index = tmp_path / (
        f"{model}.safetensors.index.json" if request.param == "safetensors" else f"{model}.bin.index.json"
    )
    index.write_text(json.dumps({"metadata": {"total_size": 9788}, "weight_map": where}))
    return index


def changed(index, change):
    document = json.loads(index.read_text())
    change(document["weight_map"])
    index.write_text(json.dumps(document))
    return index


def test_shards_are_read_by_their_folder_or_their_index(sharded, reference):
    for path in (sharded, sharded.parent):
        saved = read(path)
        assert equal(saved.model, reference)
        assert saved.format.endswith(" in 3 shards")


def test_the_sha256_is_that_of_index_and_shards(sharded):
    shards = sorted(path for path in sharded.parent.iterdir() if path != sharded)
    whole = b"".join(path.read_bytes() for path in [sharded, *shards])
    assert read(sharded).sha256 == hashlib.sha256(whole).hexdigest()


def test_a_shard_by_itself_says_what_it_is(sharded):
    shard = sorted(path for path in sharded.parent.iterdir() if path != sharded)[1]
    assert complaint(shard).startswith(
        "is one of 3 shards, by its name: name their folder, or the index beside them (*.index.json) ("
    )


def test_a_whole_model_that_is_named_like_a_shard_is_read(tmp_path, reference):
    path = tmp_path / "model-00001-of-00002.safetensors"
    safetensors.torch.save_file(dict(reference.state_dict()), path)
    assert equal(read(path).model, reference)


def test_a_missing_shard_is_named(sharded):
    shard = min(path for path in sharded.parent.iterdir() if path != sharded)
    shard.unlink()
    with pytest.raises(ValueError, match=f"{shard.name}: No such file"):
        read(sharded)


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\nb", ".hidden"]
)
def test_an_index_leads_to_no_other_folder(sharded, name):
    changed(sharded, lambda where: where.update({"embed.W_E": name}))
    assert "which is no file beside it" in complaint(sharded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda where: where.pop("embed.W_E"), "holds embed.W_E, which the index does not place there"),
        (lambda where: where.update({"more": where["embed.W_E"]}), "lacks more, which the index places there"),
        (lambda where: where.clear(), "is an index of shards that names none"),
        (lambda where: where.update({"embed.W_E": 3}), "is an index of shards that names none"),
        (lambda where: where.update({f"t{i}": f"{i}.bin" for i in range(1_001)}), "more than the 1,000 that are read"),
    ],
)
def test_an_index_that_its_shards_do_not_bear_out_is_refused(sharded, change, message):
    assert message in complaint(changed(sharded, change))


def test_shards_together_are_no_larger_than_a_file_may_be(sharded, monkeypatch):
    largest = max(path.stat().st_size for path in sharded.parent.iterdir())
    monkeypatch.setattr(stored, "MAX_BYTES", largest + 10)
    with pytest.raises(ValueError, match="more than the"):
        read(sharded)


def test_a_folder_with_pytorch_model_bin_is_read(save, tmp_path, reference):
    save(hooked(reference), "pytorch_model.bin")
    (tmp_path / "config.json").write_text("{}")
    assert equal(read(tmp_path).model, reference)


def test_a_folder_of_other_files_names_them(save, tmp_path, reference):
    assert complaint(tmp_path) == "is a folder without a model.safetensors"
    save(hooked(reference), "best.pt")
    save(hooked(reference), "last.ckpt")
    assert complaint(tmp_path).endswith("or pytorch_model.bin; name the file that is meant: best.pt, last.ckpt")


def test_an_unfinished_training_run_says_how_to_go_on(tmp_path):
    (tmp_path / "training.safetensors").write_bytes(b"")
    message = complaint(tmp_path)
    assert message.startswith("training has not finished; run `python -m cumsum_model train --out")
