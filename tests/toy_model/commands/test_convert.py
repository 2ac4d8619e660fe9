"""`convert`: what is written is what was read, and nothing is replaced unasked."""

import json

import pytest
import torch
from saved_files import equal, hooked

from cumsum_model.__main__ import main
from cumsum_model.report import details
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import Reading, card_path, read_checkpoint


def test_what_is_converted_is_what_was_read(save, tmp_path, reference, capsys):
    path, out = save(hooked(reference, wrapped=True)), tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out)]) == 4
    assert "say --token-order wrapped" in capsys.readouterr().err
    assert not out.exists()
    assert main(["convert", str(path), str(out), "--token-order", "wrapped"]) == 0
    assert out.read_bytes() == REFERENCE.read_bytes()
    read = read_checkpoint(out, SYSTEM)
    assert read.card["converted_from"] == {
        "file": "new.pt",
        "sha256": read_checkpoint(path, SYSTEM, reading=Reading("wrapped")).sha256,
        "format": "torch.save state dict",
        "token_order": "wrapped",
        "n_heads": 1,
    }
    trained_by = dict(details(read, "cpu").facts)["trained by"]
    assert trained_by.startswith("not known: the card has no recipe; converted from new.pt, torch.save state dict")


def test_what_the_card_says_is_carried_over(tmp_path):
    out, again = tmp_path / "out.safetensors", tmp_path / "again.safetensors"
    assert main(["convert", str(REFERENCE), str(out)]) == 0
    before, after = json.loads(card_path(REFERENCE).read_text()), json.loads(card_path(out).read_text())
    assert {name: after[name] for name in before} == before
    assert main(["convert", str(out), str(again)]) == 0
    assert json.loads(card_path(again).read_text())["converted_from"]["converted_from"] == after["converted_from"]
    assert "seed 42" in dict(details(read_checkpoint(again, SYSTEM), "cpu").facts)["trained by"]


def test_an_order_that_was_insisted_on_is_not_doubted_later(save, tmp_path, reference):
    path, out = save(hooked(reference, wrapped=True)), tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out), "--token-order", "value"]) == 0
    assert torch.equal(read_checkpoint(out, SYSTEM).model.W_E, reference.W_E.roll(-5, 0))


def test_a_file_and_what_it_was_converted_to_lie_beside_each_other(save, tmp_path, reference):
    path, out = save(hooked(reference), "mine.pt"), tmp_path / "mine.safetensors"
    assert main(["convert", str(path), str(out)]) == 0
    assert equal(read_checkpoint(out, SYSTEM).model, reference)
    assert read_checkpoint(path, SYSTEM).card is None
    assert card_path(path) != card_path(out)


def test_convert_replaces_nothing_unasked(save, tmp_path, reference, capsys):
    path, out = save(hooked(reference)), tmp_path / "out.safetensors"
    card_path(out).write_text("precious")
    assert main(["convert", str(path), str(out)]) == 1
    assert "out.card.json exists" in capsys.readouterr().err
    out.write_text("precious")
    assert main(["convert", str(path), str(out)]) == 1
    assert out.read_text() == card_path(out).read_text() == "precious"
    assert main(["convert", str(path), str(out), "--force"]) == 0
    assert equal(read_checkpoint(out, SYSTEM).model, reference)


@pytest.mark.parametrize(("out", "message"), [("new.pt", "has to end in .safetensors"), ("file/x.safetensors", "file")])
def test_where_nothing_can_be_written_is_one_line(save, tmp_path, reference, capsys, out, message):
    (tmp_path / "file").write_text("in the way")
    assert main(["convert", str(save(hooked(reference), "in.pt")), str(tmp_path / out)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_commands_without_the_option_name_a_way_out(save, reference, capsys):
    path = save(hooked(reference, wrapped=True))
    for arguments in (
        ["certify", str(path)],
        ["check", str(REFERENCE), str(path)],
        ["mutants", "--checkpoint", str(path)],
    ):
        assert main(arguments) == 4
        error = capsys.readouterr().err
        assert f"convert it: python -m cumsum_model convert {path} OUT.safetensors --token-order wrapped" in error
