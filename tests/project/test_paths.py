"""Paths that are given to commands: none is empty, and the name of a file adds no line to what is printed."""

import shutil

import pytest
from commands import FEW

from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import write_checkpoint


def exit_code(words):
    """With which a command ends, wherever that is found out."""
    try:
        return main(words)
    except SystemExit as stop:
        return stop.code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["certify", ""], 4),
        (["check", "certificate.json", ""], 4),
        (["inspect", ""], 4),
        (["mutants", "--checkpoint", ""], 4),
        (["verify", ""], 4),
        (["verify", "--baseline="], 4),
        (["verify", "--report="], 4),
        (["render", ""], 2),
        (["diff", "", ""], 2),
        (["train", "--out", ""], 2),
        (["sweep", "--seeds", "1", "--out", ""], 2),
        (["universality", ""], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_empty_path_is_neither_the_shipped_model_nor_this_folder(tmp_path, capfd, monkeypatch, words, code):
    """As of a variable that is not set."""
    for file in ("model.safetensors", "report.json", "certificate.json"):
        shutil.copy(REFERENCE, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    assert exit_code(words) == code
    printed = capfd.readouterr()
    assert "empty" in printed.err
    assert printed.out == ""


EVIL = "a\n::error::evil\x1b[2J"


@pytest.mark.parametrize("words", [["inspect"], ["certify"], ["check", "x"], ["convert"], ["verify"]], ids=" ".join)
@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
def test_the_name_of_a_file_adds_no_line(tmp_path, capfd, monkeypatch, words, there):
    name = f"{EVIL}.safetensors"
    if there:  # a model so small that its proof takes no time
        write_checkpoint(tmp_path / name, untrained(CumsumConfig(n_ctx=2), seed=1), {})
    options = [f"{EVIL}.out.safetensors"] if words == ["convert"] else FEW if words == ["verify"] else []
    monkeypatch.chdir(tmp_path)
    assert (exit_code([*words, name, *options]) in (0, 1)) == (there and words != ["check", "x"])
    printed = capfd.readouterr()
    assert printed.out + printed.err
    assert "\x1b[2J" not in printed.out + printed.err
    assert not [line for line in (printed.out + printed.err).splitlines() if line.lstrip().startswith("::error::evil")]
