"""Studies that are changed on purpose, the checkpoints that are shipped, and the figures."""

import math

import pytest

from cumsum_model.figures.lengths import FIGURES
from cumsum_model.lengths import mutants
from cumsum_model.lengths.cells import Cell
from cumsum_model.lengths.shipped import margin_found, shipped, shipped_runs
from cumsum_model.lengths.study import Study, encode, in_order, read_study
from toy_model.checkout import ROOT


@pytest.fixture(scope="module")
def study():
    return read_study(ROOT / "docs" / "lengths.json")


@pytest.mark.parametrize("mutant", mutants.BREAKING, ids=lambda mutant: mutant.__name__)
def test_a_control_is_another_study_and_leaves_the_first_alone(study, mutant):
    before = encode(study)
    assert encode(mutant(study)) != before
    assert encode(study) == before


def test_the_order_of_runs_is_no_matter(study):
    backwards = mutants.list_runs_backwards(study)
    assert backwards.cells == study.cells
    assert in_order(backwards.runs) == in_order(study.runs)


def test_figures_move_with_their_cells(study):
    loss = {cell: study.mean(cell, lambda run: run.loss).found for cell in study.cells}
    exchanged, turned = mutants.exchange_layers(study), mutants.reverse_lengths(study)
    assert exchanged.mean(Cell(20), lambda run: run.loss).found == pytest.approx(loss[Cell(20, 2)])
    lengths = sorted({cell.seq_len for cell in study.cells})
    assert turned.mean(Cell(lengths[0]), lambda run: run.loss).found == pytest.approx(loss[Cell(lengths[-1])])
    shifted = mutants.shuffle_lengths(study)
    assert shifted.mean(Cell(20), lambda run: run.loss).found == pytest.approx(loss[Cell(10)])
    wide = mutants.let_width_do_what_layers_do(study)
    assert wide.mean(Cell(40, n_heads=2), lambda run: run.loss).found == pytest.approx(loss[Cell(40, 2)])
    assert wide.mean(Cell(40), lambda run: run.loss).found == pytest.approx(loss[Cell(40)])
    undone = mutants.undo_interventions(study)
    assert undone.mean(Cell(80, change=("weight_decay", 0.0)), lambda run: run.loss).found == pytest.approx(
        loss[Cell(80)]
    )
    assert mutants.keep_one_seed(study).mean(Cell(20), lambda run: run.loss).n == 1


def test_every_shipped_checkpoint_is_of_a_run(study):
    assert len(shipped()) == 6
    assert {(run.cell.seq_len, run.cell.n_layers, run.seed) for run, _ in shipped_runs(study)} == {
        (length, layers, 0) for length in (20, 40, 80) for layers in (1, 2)
    }


def test_the_margin_of_what_was_found_is_measured_anew(study):
    for run, model in shipped_runs(study):
        assert margin_found(run, model) == pytest.approx(run.searched.margin, abs=1e-4)
    longest = max(shipped_runs(study), key=lambda pair: len(pair[0].searched.values))[0]
    shortest = min((model for _, model in shipped_runs(study)), key=lambda model: model.cfg.n_ctx)
    assert margin_found(longest, shortest) == -math.inf  # it cannot read so many values


@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_figures_are_drawn_of_the_study_and_say_why_of_none(study, draw):
    drawn = draw(study)
    assert drawn.svg is not None
    assert drawn.svg == draw(study).svg
    assert "nan" not in drawn.alt
    assert draw(Study((), {})).missing
