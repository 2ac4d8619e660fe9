"""What the report says of a checkpoint beside the verdicts: sizes, recipe, what is proved, and the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_claims.drawing.figure import Figure, Illustrations
from pytest_claims.report.report import Report
from pytest_claims.subject import Note, Subject

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.task import TASK
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import Checkpoint
from toy_model.reporting import MATRIX_TITLE, Kept, matrix_figure, subject_of

if TYPE_CHECKING:
    from pytest_claims.universality.outcome import Proved

MATRIX = ROOT / "docs" / "matrix-sorted-list.json"
"""Every claim on every mutant of the shipped checkpoint."""

KEPT = Kept(TASK, MATRIX, largest=300_000, most_states=2_000)
"""What a report keeps of a model: the weights of the published one take 200,000 bytes, and it has 1,092 states."""

SIZES = ("n_layers", "n_heads", "d_model", "d_head", "n_ctx", "max_value")

UNPROVED = "nothing is proved of this model over every list yet"


def details(checkpoint: Checkpoint[SortedListTransformer], device: str) -> Subject:
    """Everything that the report says of `checkpoint`, read from it, whatever claims were run."""
    note = Note(f"{UNPROVED[0].upper()}{UNPROVED[1:]}", good=False)
    return subject_of(checkpoint, device, KEPT.of(checkpoint), note, SIZES)


def illustrate(report: Report) -> Illustrations:
    """Figures and list box for the page of `report`.

    Raises CheckpointError or ReportError if what it stores for them is not what it should be.
    """
    model = KEPT.model(report.subject.suite)
    figures: dict[str, list[Figure]] = {}
    panels = []
    if model is not None:
        from sorted_list_model.figures import BELONGS_TO, draw
        from sorted_list_model.list_box import list_box

        for figure in draw(model):
            figures.setdefault(BELONGS_TO[figure.name], []).append(figure)
        panels.append(list_box(model))
    matrix = matrix_figure(report)
    if matrix is not None:
        figures[MATRIX_TITLE] = [matrix]
    return Illustrations(figures, panels)


def proved(model: SortedListTransformer) -> Proved | str:  # noqa: ARG001  # as every system's: of a model
    """Why a sweep has no verdict on every list."""
    return UNPROVED
