"""`certify` and `check` on the command line: what they accept, and what they refuse in one line."""

import json

from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.task import REFERENCE


def test_the_fixtures_certificate_is_accepted(written, capsys):
    assert main(["check", str(written)]) == 0
    output = capsys.readouterr().out
    assert output.startswith("ACCEPTED")
    assert "verified 21120 classes, which are all 672749994932560009201 sequences" in output


def test_a_truncated_file_is_rejected(written, tmp_path, capsys):
    content = written.read_bytes()
    for kept in (0, 1, len(content) // 2, len(content) - 1):
        cut = tmp_path / "cut.json"
        cut.write_bytes(content[:kept])
        assert main(["check", str(cut)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"REJECTED {cut}")
        assert captured.err.count("\n") == 1


def test_the_command_refuses_another_checkpoint(written, capsys):
    assert main(["check", str(written), str(REFERENCE.with_name("seed7.safetensors"))]) == 1
    assert "of another checkpoint" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_one_line(written, tmp_path, capsys):
    for arguments in (
        ["check", str(tmp_path / "none.json")],
        ["check", str(tmp_path)],
        ["check", str(written), str(tmp_path / "none.safetensors")],
        ["certify", str(tmp_path / "none.safetensors")],
    ):
        assert main(arguments) == 4
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1


def test_certify_says_what_is_wrong_and_exits_1(reference, tmp_path, capsys):
    from toy_model.checkpoint.checkpoint import write_checkpoint

    path = tmp_path / "broken.safetensors"
    write_checkpoint(path, mutants.open_back_door(reference), {})
    out = tmp_path / "cert.json"
    assert main(["certify", str(path), "--out", str(out)]) == 1
    output = capsys.readouterr().out
    assert "NOT proved right" in output
    assert "wrong at length 20: 17291 of 672749994932560009201 sequences" in output
    assert "the model itself says there" in output
    assert json.loads(out.read_bytes())["proved_right"] is False
    assert main(["check", str(out), str(path)]) == 0
    output = capsys.readouterr().out
    assert "right at the last position: 672749994932559991910" in output  # counted again: all but 17291
    assert "taken from the certificate" not in output
    assert main(["certify", str(path), "--out", str(out)]) == 1  # not replaced unasked
    assert "--force" in capsys.readouterr().err
    (tmp_path / "file").write_text("in the way")
    assert main(["certify", "--out", str(tmp_path / "file" / "cert.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
