"""`certify` on the command line: what it prints, writes, goes on with, and refuses in one line."""

import json
import resource
import signal

import pytest
from every_list import random_model
from pytest_claims.files import alone_in

from sorted_list_model.__main__ import main
from sorted_list_model.config import SortedListConfig
from sorted_list_model.proof.certificate import certify
from sorted_list_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import write_checkpoint
from toy_model.surgery import louder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A checkpoint of a small model, wrong on some lists and right on others."""
    path = tmp_path_factory.mktemp("small") / "model.safetensors"
    write_checkpoint(path, random_model(1, 3.0), {})
    return path


def run(capsys, *arguments):
    code = main(["certify", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_it_prints_the_interval_by_position_and_a_wrong_list(small, capsys):
    code, out, err = run(capsys, small, "--budget", 1000)
    assert (code, err) == (0, "")
    assert "PROVED: between 0." in out
    assert "of all 75,600 answers are right" in out
    assert "on all 15,120 lists of 5 different numbers of 0 .. 8" in out
    assert [line.split()[:1] for line in out.splitlines() if line.startswith(("SEP", "number"))] == [
        ["SEP"], *[["number"]] * 4,
    ]  # fmt: skip
    assert "a wrong list: " in out
    assert "65 classes" in out


def test_the_shipped_checkpoint_at_the_depth_of_classes(capsys):
    code, out, _ = run(capsys, "--depth", "classes", "--at-least", 0.9)
    assert code == 0
    assert "of all 463,677,608,338,560,000 answers are right" in out
    assert "this is proved of real arithmetic and of float32" in out


def test_a_gate_says_what_is_proved(small, capsys):
    code, out, err = run(capsys, small, "--at-least", 0.9)
    assert code == 1
    assert "PROVED" in out
    assert "accuracy is proved to be at least 0.0" in err
    assert err.endswith("not 0.9\n")


def test_the_file_is_a_line_for_each_class_and_two_more(small, tmp_path, capsys):
    out = tmp_path / "c.jsonl"
    code, printed, _ = run(capsys, small, "--out", out)
    assert code == 0
    assert f"wrote {out}; verify it: python -m sorted_list_model check {out} {small}" in printed
    first, *classes, last = map(json.loads, out.read_bytes().splitlines())
    assert first["format"] == "sorted_list certificate"
    assert first["sizes"] == {"max_value": 8, "list_len": 5, "n_heads": 2}
    assert len(classes) == 65
    assert last == {
        "answers": 630, "right": sum(c["right"] for c in classes), "wrong": sum(c["wrong"] for c in classes),
    }  # fmt: skip
    assert main(["check", str(out), str(small)]) == 0
    assert "ACCEPTED" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [0, 1, 200, 2_000, 0.5, 0.9, -1, -50])
def test_a_file_that_is_cut_is_gone_on_with(small, tmp_path, capsys, kept):
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    run(capsys, small, "--out", whole)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert run(capsys, small, "--out", cut)[0] == 0
    assert cut.read_bytes() == content


def test_a_file_that_is_damaged_is_gone_on_with_from_there(small, tmp_path, capsys):
    whole, damaged = tmp_path / "whole.jsonl", tmp_path / "damaged.jsonl"
    run(capsys, small, "--out", whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    lines[20] = lines[20].replace(b'"k":', b'"kk":')
    damaged.write_bytes(b"".join(lines[:-1]))
    assert run(capsys, small, "--out", damaged)[0] == 0
    assert damaged.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"right": 10**6},
        {"right": -1},
        {"right": float("inf")},
        {"wrong": 1.0},
        {"k": False},
        {"found": [999] * 5},
        {"found": [0, 1, 2, 3, 4]},
        {"found": [4, 4, 5, 6, 7]},
        {"found": [float("nan")] * 5},
        {"found": 4},
        {"nodes": "AAAA"},
        {"nodes": "eJxjYGBgAAAABAAB"},
    ],
    ids=str,
)
def test_a_line_that_contradicts_itself_is_proved_anew(small, tmp_path, capsys, change):
    whole, changed = tmp_path / "whole.jsonl", tmp_path / "changed.jsonl"
    run(capsys, small, "--out", whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    assert lines[5].startswith(b'{"k":0,"d":null,"y":4')
    lines[5] = json.dumps(json.loads(lines[5]) | change).encode() + b"\n"
    changed.write_bytes(b"".join(lines[:-1]))
    assert run(capsys, small, "--out", changed)[0] == 0
    assert changed.read_bytes() == whole.read_bytes()


def test_a_line_that_is_nested_too_deeply_is_proved_anew(small, tmp_path, capsys):
    whole, changed = tmp_path / "whole.jsonl", tmp_path / "changed.jsonl"
    run(capsys, small, "--out", whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    lines[5] = b"[" * 100_000 + b"\n"
    changed.write_bytes(b"".join(lines[:-1]))
    assert run(capsys, small, "--out", changed)[0] == 0
    assert changed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("more", [(), ("--force",)])
def test_a_file_that_another_process_writes_is_left_alone(small, tmp_path, capsys, more):
    out = tmp_path / "c.jsonl"
    run(capsys, small, "--out", out)
    under_way = out.read_bytes()[:-200]  # in the middle of a line
    out.write_bytes(under_way)
    with alone_in(out) as alone:
        assert alone
        code, printed, err = run(capsys, small, "--out", out, *more)
    assert (code, printed) == (1, "")
    assert err == f"error: --out {out}: another process is writing it\n"
    assert out.read_bytes() == under_way


def test_a_full_disk_is_one_line_and_what_was_found_stays(small, tmp_path, capsys):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "c.jsonl"
    run(capsys, small, "--out", whole)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, limits[1]))
    try:
        code, printed, err = run(capsys, small, "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, printed, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: --out {out}: File too large: ")
    assert out.stat().st_size == 8_000
    assert run(capsys, small, "--out", out)[0] == 0
    assert out.read_bytes() == whole.read_bytes()


def test_what_is_there_is_not_replaced_unasked(small, tmp_path, capsys):
    out = tmp_path / "c.jsonl"
    run(capsys, small, "--out", out)
    content = out.read_bytes()
    for arguments, why in (
        ((small,), "holds a whole certificate"),
        ((small, "--budget", 7), "is no certificate of this checkpoint and budget"),
    ):
        code, printed, err = run(capsys, *arguments, "--out", out)
        assert (code, printed) == (1, "")
        assert why in err
        assert "--force" in err
        assert err.count("\n") == 1
        assert out.read_bytes() == content
    assert run(capsys, small, "--budget", 7, "--out", out, "--force")[0] == 0
    assert out.read_bytes() != content
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    assert run(capsys, small, "--out", other)[0] == 1
    assert other.read_text() == "mine"


def test_workers_write_the_same_file(small, tmp_path, capsys):
    alone, together = tmp_path / "alone.jsonl", tmp_path / "together.jsonl"
    run(capsys, small, "--out", alone)
    assert run(capsys, small, "--out", together, "--workers", 2)[0] == 0
    assert together.read_bytes() == alone.read_bytes()


def test_an_interrupted_run_says_how_to_go_on(small, tmp_path, capsys, monkeypatch):
    from sorted_list_model.proof import certificate

    prove, done = certificate.proofs_of_query, []

    def interrupted(*arguments):
        if len(done) == 10:
            raise KeyboardInterrupt
        done.append(arguments)
        return prove(*arguments)

    monkeypatch.setattr(certificate, "proofs_of_query", interrupted)
    out = tmp_path / "c.jsonl"
    code, printed, err = run(capsys, small, "--out", out)
    assert (code, printed) == (130, "")
    assert f"interrupted: 10 of 21 queries are in {out}, the same command goes on from there" in err
    monkeypatch.undo()
    assert run(capsys, small, "--out", out)[0] == 0
    assert main(["check", str(out), str(small)]) == 0


def test_ctrl_c_in_compiled_code_is_an_interrupt(tmp_path, capsys):
    certify(random_model(1, 3.0))  # is compiled
    path = tmp_path / "larger.safetensors"
    write_checkpoint(path, random_model(1, 2.0, SortedListConfig(max_value=20, n_ctx=13, d_model=16, d_head=8)), {})
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    try:
        code, printed, err = run(capsys, path, "--budget", 10**9)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (code, printed, err) == (130, "", "error: interrupted\n")


def test_what_cannot_be_done_is_one_line(small, tmp_path, capsys):
    two_layers = tmp_path / "two.safetensors"
    write_checkpoint(two_layers, untrained(SortedListConfig(max_value=5, n_ctx=7, n_layers=2), 0), {})
    (tmp_path / "file").write_text("")
    for arguments, code, why in (
        ((tmp_path / "none.safetensors",), 4, "none.safetensors"),
        ((two_layers,), 4, "this proof is about one layer, the model has 2"),
        ((small, "--out", tmp_path), 1, "is not a regular file"),
        ((small, "--out", tmp_path / "none" / "c.jsonl"), 1, "No such file"),
        ((small, "--out", tmp_path / "file" / "c.jsonl"), 1, "Not a directory"),
        ((small, "--workers", 0), 2, "--workers is a number of at least 1"),
        ((small, "--scheduler", "nonsense://x"), 4, "cannot be reached"),
    ):
        found, printed, err = run(capsys, *arguments)
        assert (found, printed) == (code, ""), arguments
        assert why in err
        assert err.count("\n") == 1
    for arguments in (
        ("--budget", "-1"),
        ("--budget", "x"),
        ("--budget", "9" * 5000),
        ("--at-least", "2"),
        ("--depth", "deepest"),
    ):
        with pytest.raises(SystemExit) as exit_:
            run(capsys, small, *arguments)
        assert exit_.value.code == 2


def test_a_model_that_overflows_in_float32_is_proved_in_real_arithmetic(tmp_path, capsys):
    path = tmp_path / "loud.safetensors"
    write_checkpoint(path, louder(random_model(1, 3.0), 1e37), {})
    out = tmp_path / "c.jsonl"
    code, printed, _ = run(capsys, path, "--out", out)
    assert code == 0
    assert "this is proved of real arithmetic only" in printed
    assert json.loads(out.read_bytes().splitlines()[0])["float32"] == {"stream": None, "scale": None}
    assert main(["check", str(out), str(path)]) == 1  # the checker has a range of its own, and says so
    assert "out of range" in capsys.readouterr().err


def test_check_refuses_less_room_for_float32_than_it_takes(small, tmp_path, capsys):
    out, less = tmp_path / "c.jsonl", tmp_path / "less.jsonl"
    run(capsys, small, "--out", out)
    first, *rest = out.read_bytes().splitlines(keepends=True)
    header = json.loads(first)
    header["float32"] = {"stream": 0.0, "scale": 0.0}
    less.write_bytes(json.dumps(header).encode() + b"\n" + b"".join(rest))
    assert main(["check", str(less), str(small)]) == 1
    assert "for float32, which may take more" in capsys.readouterr().err
    assert main(["check", str(out), str(REFERENCE)]) == 1
    assert "REJECTED" in capsys.readouterr().err
    assert main(["check", str(tmp_path), str(small)]) == 4
    assert main(["check", str(tmp_path / "none"), str(small)]) == 4
