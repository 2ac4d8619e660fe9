"""The certificate as a file: written while it is found, in memory that does not grow with it, whole or not at all."""

import errno
import json
import weakref

import pytest
from brute_force import shortened
from certificates import encoded

from benchmarks.growth import peak_bytes, stretched
from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.proof import certificate_file, proving
from cumsum_model.proof.certificate import certify, outlined
from cumsum_model.proof.proving import prove
from cumsum_model.proof.tables import Unprovable
from toy_model.checkpoint.checkpoint import write_checkpoint

BUDGET = 1_000_000


@pytest.fixture(params=["right", "mixed", "wrong"])
def model(request, short):
    broken = {"right": lambda model: model, "mixed": mutants.silence_strongest_neuron, "wrong": mutants.swap_verdicts}
    return shortened(broken[request.param](short), 4)


def test_what_is_written_as_it_is_found_is_the_whole_certificate(model):
    certificate = certify(model, budget=BUDGET)
    content = encoded(prove(model, budget=BUDGET), model)
    assert content == encoded(certificate.lengths, model)
    document = json.loads(content)
    assert document["right_at_every_position"] == [str(count) for count in certificate.right_at_every_position]
    assert document["proved_right"] == certificate.proved_right
    for length, stated in zip(certificate.lengths, document["lengths"], strict=True):
        for a, query in enumerate(stated["queries"]):
            for s, (verdict, bound) in enumerate(zip(query["verdicts"], query["smallest"], strict=True)):
                assert bound == (length.smallest[a, s] if verdict == "R" else None)
                if verdict == "R":
                    assert query["smallest_witness"][s] == (length.least_witness[a, s] - 5).tolist()


def test_each_length_is_a_line(model):
    first, *lengths, last = encoded(prove(model, budget=BUDGET), model).splitlines()
    assert first.endswith(b'"lengths":[')
    assert [json.loads(line.rstrip(b","))["length"] for line in lengths] == [1, 2, 3, 4]
    assert last.startswith(b'],"sequences":"14641"')


def test_the_outline_says_of_each_length_what_the_certificate_says(model):
    certificate, verdict = certify(model, budget=BUDGET), outlined(prove(model, budget=BUDGET), 5)
    for name in ("max_value", "sequences", "proved_right", "smallest_margin", "right_at_every_position"):
        assert getattr(verdict, name) == getattr(certificate, name), name
    assert verdict.hardest == certificate.hardest.outline
    for outline, length in zip(verdict.lengths, certificate.lengths, strict=True):
        assert (outline.all_right, outline.known_wrong) == (length.right.all(), length.shown_wrong.any())
        for name in ("n", "sequences", "answered_rightly", "accuracy", "smallest_margin", "hardest"):
            assert getattr(outline, name) == getattr(length, name), name


def test_no_length_is_held_while_the_next_is_proved(short):
    held = weakref.WeakSet()
    at_once = []

    def watched(length):
        held.add(length)
        at_once.append(len(held))
        return length

    encoded(map(watched, prove(short, budget=0)), short)
    assert at_once == [1, 1, 1, 1]


def test_memory_grows_half_as_fast_as_the_certificate_at_the_most(reference, tmp_path, capsys):
    """From length 20 to 40 it doubles, where the file takes 5.6 times the space, as a certificate in memory does."""
    held, sizes = {}, {}
    for n in (3, 20, 40):  # the first imports what is needed
        path, out = tmp_path / f"{n}.safetensors", tmp_path / f"{n}.json"
        write_checkpoint(path, stretched(reference, n_ctx=n), {})
        held[n] = peak_bytes(
            lambda path=path, out=out: main(["certify", str(path), "--budget", "0", "--out", str(out)])
        )
        sizes[n] = out.stat().st_size
    print(f"held at once: {held}; written: {sizes}")
    assert held[40] / held[20] < sizes[40] / sizes[20] / 2


def stopped_by(monkeypatch, module, name, error, at):
    """Let a function raise `error` when it is called for the `at`-th time."""
    calls, function = [], getattr(module, name)

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == at:
            raise error
        return function(*arguments)

    monkeypatch.setattr(module, name, stop)


@pytest.mark.parametrize("before", [b"what was there", None], ids=["replaced", "new"])
@pytest.mark.parametrize(
    ("module", "name", "error", "code", "line"),
    [
        (proving, "_prove", KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (proving, "_prove", OverflowError("too large"), 4, "out of the range that float64 can handle: too large"),
        (certificate_file, "_length", OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
    ],
    ids=["interrupted", "out of range", "disk full"],
)
def test_a_run_that_ends_early_leaves_the_file_as_it_was(
    tmp_path, capsys, monkeypatch, before, module, name, error, code, line
):
    out = tmp_path / "certificate.json"
    if before is not None:
        out.write_bytes(before)
    stopped_by(monkeypatch, module, name, error, at=3)
    assert main(["certify", "--out", str(out), "--force"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert line in captured.err
    left = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    assert left == ({out.name: before} if before is not None else {})


def test_what_is_not_proved_of_at_all_is_refused_at_once(short, monkeypatch):
    """Not when the first length is asked for: by then a file has been begun."""

    def refuse(model):
        raise Unprovable("for a reason")

    monkeypatch.setattr(proving, "tables", refuse)
    with pytest.raises(Unprovable, match="for a reason"):
        prove(short, budget=0)
