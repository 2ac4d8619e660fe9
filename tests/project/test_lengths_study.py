"""`python -m benchmarks.lengths`: what is trained, what is measured, and what is taken over from an earlier study."""

import json

import pytest

from benchmarks import lengths
from cumsum_model.lengths import measuring
from cumsum_model.lengths.cells import ALL, Cell, cell_of, planned
from cumsum_model.lengths.sampled import Sampled, Searched
from cumsum_model.lengths.study import Run, Study, encode, read_study
from cumsum_model.two_layers.system import SYSTEM as TWO_LAYERS
from toy_model.commands.sweep import add_command
from toy_model.recipe import options_by_name
from toy_model.sweep.plan import parse_grid, parse_seeds, plan

QUICK = Cell(20, 2)


@pytest.fixture
def folder(tmp_path):
    """A folder in which the steps are timed: no cell takes long."""
    steps = [{**cell.varied, "seconds": 0.001 * cell.seq_len * cell.n_layers} for cell in ALL]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    return tmp_path


def trained(folder, seed=0):
    """A run as the sweep leaves it: the shipped model of two layers."""
    from dataclasses import asdict

    from pytest_claims.universality.outcome import Ending, Outcome, encode

    run = folder / "runs" / f"seq_len=20,n_layers=2,n_heads=1,seed={seed}"
    run.mkdir(parents=True)
    (run / "model.safetensors").write_bytes(TWO_LAYERS.reference.read_bytes())
    card = TWO_LAYERS.reference.with_suffix(".card.json").read_bytes()
    (run / "model.card.json").write_bytes(card)
    outcome = Outcome(
        run.name, seed, QUICK.varied, asdict(QUICK.recipe), "", Ending.VERIFIED, "", 1, json.loads(card)["sha256"], 6,
        None, "", {"train": 99.0},
    )  # fmt: skip
    (run / "outcome.json").write_bytes(encode(outcome))
    return run


def test_the_plan_is_told_and_nothing_is_trained(folder, capsys):
    assert lengths.main(["--out", str(folder), "--core-hours", "1", "--plan"]) == 0
    told = capsys.readouterr().err
    expected = planned(lambda cell: 0.001 * cell.seq_len * cell.n_layers, 1)
    for cell in expected.trained:
        assert f"{len(cell.seeds):>5}  {cell}\n" in told
    for cell, why in expected.dropped.items():
        assert f"left out: {cell}: {why}\n" in told
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("cell", [Cell(40), Cell(10, 2, 4), Cell(80, change=("weight_decay", 0.0))], ids=str)
def test_the_sweep_is_asked_for_the_runs_of_a_cell(tmp_path, cell):
    import argparse

    from cumsum_model.system import SYSTEM

    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers(), SYSTEM)
    nothing = argparse.Namespace(workers=3, scheduler=None, tls_ca_file=None, tls_cert=None, tls_key=None)
    command = lengths.sweep_command(cell, tmp_path, nothing)
    options = parser.parse_args(command[command.index("sweep") :])
    assert options.workers == 3
    jobs = plan(parse_seeds(options.seeds), parse_grid(options.grid, SYSTEM.recipe), SYSTEM.recipe)
    assert [job.recipe.seed for job in jobs] == list(cell.seeds)
    assert {cell_of(dict(job.varied)) for job in jobs} == {cell}
    by_name = options_by_name(jobs[0].recipe)
    assert {name: by_name[name].value for name in cell.varied} == cell.varied


def test_what_was_trained_is_measured_once(folder, monkeypatch):
    """By real workers: what they measure here is little, so that it takes no minute."""
    run = trained(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}")
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'spawn' in str(sys.argv) + str(sys.orig_argv):\n"
        "    from cumsum_model.lengths import sampled\n"
        "    sampled.sampled.__defaults__ = (300, 30)\n"
        "    sampled.searched.__defaults__ = (3, 30)\n"
    )
    monkeypatch.setattr(Cell, "seeds", range(1))
    assert lengths.main(["--out", str(folder), "--measure", "--workers", "1"]) == 0
    figures = json.loads((run / "figures.json").read_text())
    assert figures["sampled"]["drawn"] == 300
    study = read_study(folder / "lengths.json")
    (measured,) = study.runs
    assert (measured.cell, measured.seed, measured.selected_epoch) == (QUICK, 0, 6)
    assert measured.proved is None
    assert measured.seconds["train"] == 99
    assert study.dropped

    figures["loss"] = 0.5
    (run / "figures.json").write_text(json.dumps(figures))
    assert lengths.main(["--out", str(folder), "--measure"]) == 0
    assert read_study(folder / "lengths.json").runs[0].loss == 0.5


def test_a_run_that_cannot_be_measured_is_told_and_the_study_written(folder, monkeypatch, capsys):
    run = trained(folder)
    (run / "model.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr(Cell, "seeds", range(1))
    assert lengths.main(["--out", str(folder), "--measure", "--workers", "1"]) == 1
    *_, failed, told = capsys.readouterr().err.strip().splitlines()
    assert failed.startswith(f"1 of 1 not measured: {run.name}: ")
    assert told == "error: runs that could not be measured: 1; the same command tries again"
    assert not (run / "figures.json").exists()
    assert read_study(folder / "lengths.json").runs == ()


def test_runs_of_an_earlier_study_are_taken_over(folder, monkeypatch):
    searched, none = Searched(-1.0, [0], 1), {"-1": 0, "0": 0, "+1": 0}
    known = [
        Run(cell, seed, "a" * 64, 1, 0.1, 1.0, 2.0, sampled=Sampled(1, 0, 0, 1, none), searched=searched, seconds={})
        for cell in (Cell(10), QUICK)
        for seed in cell.seeds
        if (cell, seed) != (QUICK, 3)
    ]
    (folder / "known.json").write_text(encode(Study(tuple(known), {})))
    asked = []
    monkeypatch.setattr(lengths, "ALL", (Cell(10), QUICK))
    monkeypatch.setattr(lengths, "planned", lambda seconds, hours: planned(seconds, hours, (Cell(10), QUICK)))
    monkeypatch.setattr(lengths.subprocess, "run", lambda command, **_: asked.append(command) or SimpleDone())
    assert lengths.main(["--out", str(folder), "--known", str(folder / "known.json")]) == 0
    assert ["n_layers=2" in command for command in asked] == [True]
    taken_over = read_study(folder / "lengths.json")
    assert [run.seed for run in taken_over.runs] == list(Cell(10).seeds)  # of the other cell one is missing
    assert taken_over.dropped == {QUICK: "not trained yet"}


class SimpleDone:
    returncode = 0


def test_bad_options_are_told_in_one_line(folder, capsys):
    for arguments, code in (
        (["--core-hours", "-1"], 2),
        (["--workers", "0"], 2),
        (["--known", str(folder / "steps.json")], 4),
        (["--known", str(folder / "absent")], 4),
    ):
        assert lengths.main(["--out", str(folder), *arguments]) == code
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ")


def test_a_folder_of_something_else_is_told_in_one_line(folder, capsys):
    run = trained(folder)
    outcome = json.loads((run / "outcome.json").read_text())
    (run / "outcome.json").write_text(json.dumps({**outcome, "varied": {"d_mlp": 4}}))
    assert lengths.main(["--out", str(folder), "--measure", "--workers", "1"]) == 4
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last == f"error: --out {folder}: a run that varies d_mlp is none of this study"


def test_figures_of_another_kind_are_none(folder):
    run = trained(folder)
    for figures in ("[]", "{}", '{"sha256": 1}', "no JSON"):
        (run / "figures.json").write_text(figures)
        assert lengths._measured(run) is None


def test_a_step_of_a_cell_is_timed():
    assert lengths.seconds_a_step(Cell(10), n_steps=3) > 0


def test_a_model_of_one_layer_is_measured_by_proof(monkeypatch):
    from cumsum_model.task import REFERENCE

    monkeypatch.setattr(measuring, "searched", lambda model: Searched(0.5, [1], None))
    files = {
        "model.safetensors": REFERENCE.read_bytes(),
        "model.card.json": REFERENCE.with_suffix(".card.json").read_bytes(),
    }
    figures = measuring.measure(files, Cell(20), 42, 1.0)
    assert figures["sampled"] is None
    assert figures["proved"]["right_up_to"] == 20
    assert figures["rate"] == pytest.approx(34, abs=3)
    assert set(figures["seconds"]) == {"train", "prove", "sample", "search"}
