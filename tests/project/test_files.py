"""Files appear whole or not at all, and are for nobody else to read than they were."""

import os
import stat

import pytest
from pytest_claims import files
from pytest_claims.universality.outcome import OutcomeError, read_outcome

from cumsum_model.__main__ import main
from cumsum_model.scope import reference_model
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint
from toy_model.training.state_file import UnfinishedError, read_unfinished


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
    read_checkpoint(tmp_path, SYSTEM)


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
    assert read_checkpoint(path, SYSTEM).sha256 == written.sha256


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_name_so_long_that_its_card_can_have_none_is_no_card(tmp_path, suffix):
    path = tmp_path / ("x" * (255 - len(suffix)) + suffix)
    path.write_bytes(REFERENCE.read_bytes())
    assert read_checkpoint(path, SYSTEM).card is None


# What is read of others


def be_a_pipe(path):
    os.mkfifo(path)


def be_endless(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("be", [be_a_pipe, be_endless])
@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("training.safetensors", ["train", "--out", "{folder}", "--epochs", "1"], 1),
        ("training.safetensors", ["verify-by-reading", "{folder}"], 4),
        ("model.safetensors", ["inspect", "{folder}/model.safetensors"], 4),
        ("model.card.json", ["inspect", "{folder}/model.safetensors"], 4),
        ("report.json", ["diff", "{folder}/report.json", "{folder}/report.json"], 4),
        ("report.json", ["render", "{folder}/report.json"], 4),
        ("certificate.json", ["check", "{folder}/certificate.json"], 4),
    ],
)
def test_what_never_ends_is_one_line(tmp_path, capsys, be, name, command, code):
    """A pipe that nobody writes to would be waited for, and /dev/zero be read for ever."""
    if name == "model.card.json":
        (tmp_path / "model.safetensors").write_bytes(REFERENCE.read_bytes())
    be(tmp_path / name)
    command = [word.format(folder=tmp_path) for word in command]
    if command[0] == "verify-by-reading":
        with pytest.raises(UnfinishedError, match="is not a regular file"):
            read_unfinished(tmp_path / name, SYSTEM)
        return
    assert main(command) == code
    told = set(capsys.readouterr().err.strip().splitlines())
    assert len(told) == 1
    assert f"{tmp_path / name}: is not a regular file" in told.pop()


def test_a_run_that_cannot_be_gone_on_with_is_started_over_by_force(tmp_path):
    be_endless(tmp_path / "training.safetensors")
    assert main(["train", "--out", str(tmp_path), "--force", "--epochs", "1", "--train-size", "500"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.card.json", "model.safetensors"]


def test_the_outcome_of_a_run_is_not_waited_for(tmp_path):
    be_a_pipe(tmp_path / "outcome.json")
    with pytest.raises(OutcomeError, match=r"outcome\.json: is not a regular file"):
        read_outcome(tmp_path / "outcome.json")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """Its size was looked at before: what counts is what was read."""
    path = tmp_path / "grows"
    path.write_bytes(b"x" * 10)
    looked = os.fstat

    def look(descriptor):
        found = looked(descriptor)
        with path.open("ab") as file:
            file.write(b"x" * 10)
        return found

    monkeypatch.setattr(files.os, "fstat", look)
    with pytest.raises(files.Unreadable, match="takes more than the 15 bytes that are read"):
        files.read_regular(path, 15)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "file/below", ""])
def test_a_name_that_no_file_can_have_is_unreadable(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(files.Unreadable) as caught:
        files.read_regular(tmp_path / name, 10)
    assert "\n" not in str(caught.value)


def test_an_unfinished_run_beside_a_finished_model_is_mentioned(tmp_path, capsys):
    """As after `train --force` that was killed: what is verified is the model of the run before."""
    write_checkpoint(tmp_path / "model.safetensors", reference_model(), {"made_of": {}})
    assert read_checkpoint(tmp_path, SYSTEM).notes == ()
    (tmp_path / "training.safetensors").write_bytes(b"")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        (note,) = read_checkpoint(path, SYSTEM).notes
        assert note == "beside it, training.safetensors is of a training run that has not finished and would replace it"
    assert main(["inspect", str(tmp_path)]) == 0
    assert note in capsys.readouterr().out
