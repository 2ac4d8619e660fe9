"""Files of models: private ones stay private, names may be long, and what never ends is not waited for."""

import os
import stat

import pytest

from cumsum_model.__main__ import main
from cumsum_model.scope import reference_model
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint
from toy_model.training.state_file import UnfinishedError, read_unfinished


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_force_leaves_a_private_model_private(tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"")
    model.chmod(0o600)
    assert main(["train", "--out", str(tmp_path), "--force", "--epochs", "1", "--train-size", "500"]) == 0
    assert mode(model) == 0o600
    read_checkpoint(tmp_path, SYSTEM)


def test_a_checkpoint_with_the_longest_name_is_written_and_read(tmp_path):
    path = tmp_path / ("x" * 243 + ".safetensors")
    written = write_checkpoint(path, reference_model(), {"made_of": {}})
    assert read_checkpoint(path, SYSTEM).sha256 == written.sha256


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_name_so_long_that_its_card_can_have_none_is_no_card(tmp_path, suffix):
    path = tmp_path / ("x" * (255 - len(suffix)) + suffix)
    path.write_bytes(REFERENCE.read_bytes())
    assert read_checkpoint(path, SYSTEM).card is None


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
    lines = set(capsys.readouterr().err.strip().splitlines())
    assert len(lines) == 1
    assert f"{tmp_path / name}: is not a regular file" in lines.pop()


def test_a_run_that_cannot_be_gone_on_with_is_started_over_by_force(tmp_path):
    be_endless(tmp_path / "training.safetensors")
    assert main(["train", "--out", str(tmp_path), "--force", "--epochs", "1", "--train-size", "500"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.card.json", "model.safetensors"]


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
