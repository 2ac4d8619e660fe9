"""Files appear whole or not at all, and are for nobody else to read than they were."""

import os
import stat

import pytest

from cumsum_model import files
from cumsum_model.checkpoint import REFERENCE, read_checkpoint, reference_model, write_checkpoint
from cumsum_model.cli import main


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_as_the_umask_says(tmp_path, umask):
    files.write_whole(tmp_path / "new", b"content")
    assert mode(tmp_path / "new") == 0o666 & ~umask


@pytest.mark.parametrize("before", [0o600, 0o640, 0o664])
def test_a_replaced_file_stays_as_open_as_it_was(tmp_path, umask, before):
    (tmp_path / "old").write_bytes(b"")
    (tmp_path / "old").chmod(before)
    files.write_whole(tmp_path / "old", b"content")
    assert (tmp_path / "old").read_bytes() == b"content"
    assert mode(tmp_path / "old") == before


def test_no_file_is_open_for_a_moment_that_is_private_afterwards(tmp_path, umask, monkeypatch):
    private = tmp_path / "private"
    private.write_bytes(b"")
    private.chmod(0o600)
    seen = []
    opened = os.open

    def watch(path, flags, *rest, **named):
        descriptor = opened(path, flags, *rest, **named)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(files.os, "open", watch)
    files.write_whole(private, b"content")
    assert seen
    assert all(found & 0o077 == 0 for found in seen)


def test_force_leaves_a_private_model_private(tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"")
    model.chmod(0o600)
    assert main(["train", "--out", str(tmp_path), "--force", "--epochs", "1", "--train-size", "500"]) == 0
    assert mode(model) == 0o600
    read_checkpoint(tmp_path)


@pytest.mark.parametrize("length", [240, 244, 245, 246, 250, 255])
def test_names_may_be_as_long_as_the_file_system_takes_them(tmp_path, length):
    path = tmp_path / ("x" * length)
    files.write_whole(path, b"content")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("length", [20, 250, 255])
def test_what_a_killed_writer_left_is_swept_up_and_nothing_else(tmp_path, length):
    path, other = tmp_path / ("x" * length), tmp_path / ("y" * length)
    with files.beside(path, b"half") as left:
        kept = left.read_bytes()
    with files.beside(other, b"half") as of_other:
        pass
    left.write_bytes(kept)
    of_other.write_bytes(kept)
    path.write_bytes(b"whole")
    files.sweep_up(path)
    assert {found.name for found in tmp_path.iterdir()} == {path.name, of_other.name}


def test_a_checkpoint_with_the_longest_name_is_written_and_read(tmp_path):
    path = tmp_path / ("x" * 243 + ".safetensors")
    written = write_checkpoint(path, reference_model(), {"made_of": {}})
    assert read_checkpoint(path).sha256 == written.sha256


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_name_so_long_that_its_card_can_have_none_is_no_card(tmp_path, suffix):
    path = tmp_path / ("x" * (255 - len(suffix)) + suffix)
    path.write_bytes(REFERENCE.read_bytes())
    assert read_checkpoint(path).card is None
