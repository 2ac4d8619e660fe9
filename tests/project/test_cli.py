import json
import subprocess
import sys

import pytest

from cumsum_model.__main__ import main
from cumsum_model.system import SYSTEM
from toy_model.checkpoint.checkpoint import read_checkpoint

SHORT = ["--epochs", "2", "--train-size", "2000", "--val-size", "500", "--seed", "3"]


def test_train_writes_a_checkpoint_that_can_be_verified(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "new" / "run"), *SHORT]) == 0
    captured = capsys.readouterr()
    assert "kept epoch" in captured.out
    assert f"python -m cumsum_model verify {tmp_path / 'new' / 'run' / 'model.safetensors'}" in captured.out
    assert captured.err.count("validation accuracy") == 2  # a line per epoch where there is no terminal
    read = read_checkpoint(tmp_path / "new" / "run", SYSTEM)
    assert read.card["recipe"]["seed"] == 3
    assert read.card["recipe"]["train_size"] == 2000
    assert len(read.card["history"]) == 2


def test_train_does_not_replace_a_model_unasked(tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"precious")
    assert main(["train", "--out", str(tmp_path), *SHORT]) == 1
    assert "--force" in capsys.readouterr().err
    assert model.read_bytes() == b"precious"
    assert main(["train", "--out", str(tmp_path), "--force", *SHORT]) == 0
    assert read_checkpoint(tmp_path, SYSTEM).card["kept_epoch"] in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--seed", "-1"], "seed must lie in"),
        (["--train-size", "0"], "train_size must be at least 1"),
        (["--val-size", "99999999999999999999"], "val_size must be at most 1,000,000,000"),
    ],
)
def test_impossible_options_are_one_line(tmp_path, capsys, arguments, message):
    assert main(["train", "--out", str(tmp_path), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_name_that_no_folder_can_have_is_one_line(capsys):
    assert main(["train", "--out", "a" * 300, *SHORT]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["train", "--out", str(tmp_path / "file"), *SHORT]) == 1
    error = capsys.readouterr().err
    assert "file" in error
    assert error.count("\n") == 1


def test_sizes_beyond_memory_are_one_line(tmp_path, capsys, monkeypatch):
    def exhaust(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory\nand a stack trace")

    monkeypatch.setattr("cumsum_model.data.CumsumDataset", exhaust)
    assert main(["train", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "do not fit in memory" in error
    assert error.count("\n") == 1


def test_a_defect_is_not_mistaken_for_a_lack_of_memory(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("the size of tensor a must match the size of tensor b")

    monkeypatch.setattr("cumsum_model.data.CumsumDataset", fail)
    with pytest.raises(RuntimeError, match="must match"):
        main(["train", "--out", str(tmp_path)])


def test_a_reader_that_stops_early_is_no_error():
    command = f"{sys.executable} -m cumsum_model mutants --list | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout == "breaking:\n"
    assert "Traceback" not in result.stderr


def test_an_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["tarin"])
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"]])
def test_help_explains_without_importing_torch(arguments):
    script = (
        "import sys, runpy; sys.argv = ['cumsum_model', *sys.argv[1:]]\n"
        "try: runpy.run_module('cumsum_model', run_name='__main__', alter_sys=False)\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "train" in result.stdout
    if "train" in arguments:
        assert "model.card.json" in result.stdout
        assert "examples:" in result.stdout


def test_the_card_is_json_without_surprises(tmp_path):
    main(["train", "--out", str(tmp_path), *SHORT])
    card = json.loads((tmp_path / "model.card.json").read_text())
    assert card["recipe"]["config"]["d_mlp"] == 8
    assert len(card["metrics"]["cross_entropy_rise_by_zeroed_neuron"]) == 8
