"""Controls: studies in which what a claim says is not so, each named for how its runs were changed.

A claim about a study judges the end of an interval over seeds. It has to fail where the figures belong to other cells,
and where there are too few seeds to say anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cumsum_model.lengths.cells import Cell
from cumsum_model.lengths.study import Run, Study


def shuffle_lengths(study: Study) -> Study:
    """The figures of every run belong to another length: 10 to 20, 20 to 40, and so on, those of the longest to 10."""

    def length(cell: Cell, lengths: list[int]) -> Cell:
        return replace(cell, seq_len=lengths[(lengths.index(cell.seq_len) + 1) % len(lengths)])

    return _moved(study, length)


def reverse_lengths(study: Study) -> Study:
    """The figures of the longest sequences belong to the shortest, and so on."""

    def length(cell: Cell, lengths: list[int]) -> Cell:
        return replace(cell, seq_len=lengths[-1 - lengths.index(cell.seq_len)])

    return _moved(study, length)


def exchange_layers(study: Study) -> Study:
    """The figures of one layer belong to two, and those of two to one."""
    return study.replaced(lambda run: replace(run, cell=replace(run.cell, n_layers=3 - run.cell.n_layers)))


def let_width_do_what_layers_do(study: Study) -> Study:
    """The figures of several heads, and of more neurons, are those of two layers, seed by seed."""
    of_two = {(run.cell, run.seed): run for run in study.runs if run.cell.n_layers == 2}

    def exchanged(run: Run) -> Run:
        wider = run.cell.n_heads > 1 or (run.cell.change is not None and run.cell.change[0] == "d_mlp")
        instead = of_two.get((Cell(run.cell.seq_len, 2), run.seed), run) if wider else run
        return replace(instead, cell=run.cell)

    return study.replaced(exchanged)


def undo_interventions(study: Study) -> Study:
    """The figures of every changed recipe are those of the published one, seed by seed."""
    published = {(run.cell, run.seed): run for run in study.runs if run.cell.change is None}

    def undone(run: Run) -> Run:
        instead = published.get((replace(run.cell, change=None), run.seed), run)
        return replace(instead, cell=run.cell)

    return study.replaced(undone)


def misattribute_figures(study: Study) -> Study:
    """What was measured of each run is said of the checkpoint of the next one."""
    names = [run.sha256 for run in study.runs]
    renamed = [replace(run, sha256=name) for run, name in zip(study.runs, names[1:] + names[:1], strict=True)]
    return replace(study, runs=tuple(renamed))


def forget_the_shipped(study: Study) -> Study:
    """No run is of a checkpoint that is shipped."""
    return study.replaced(lambda run: replace(run, sha256="0" * 64))


def keep_one_seed(study: Study) -> Study:
    """Of every cell the first seed alone: nothing is known of any other."""
    first = {run.cell: run for run in reversed(study.runs)}
    return replace(study, runs=tuple(run for run in study.runs if run is first[run.cell]))


def _moved(study: Study, where: Callable[[Cell, list[int]], Cell]) -> Study:
    """The figures of each run in another cell: `where` says in which, of all lengths that there are."""
    lengths = sorted({run.cell.seq_len for run in study.runs})
    return study.replaced(lambda run: replace(run, cell=where(run.cell, lengths)))


def list_runs_backwards(study: Study) -> Study:
    """The same runs in another order."""
    return replace(study, runs=study.runs[::-1])


BREAKING = (
    shuffle_lengths,
    reverse_lengths,
    exchange_layers,
    let_width_do_what_layers_do,
    undo_interventions,
    misattribute_figures,
    forget_the_shipped,
    keep_one_seed,
)
SYMMETRIES = (list_runs_backwards,)
