"""What the report says of a checkpoint beside the verdicts: sizes, recipe, what is proved, and the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_claims.drawing.figure import Figure, Illustrations
from pytest_claims.report.report import Report
from pytest_claims.subject import Note, Subject

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.certificate import rounded_down, rounded_up
from sorted_list_model.proof.known import certificate_of
from sorted_list_model.proof.tables import Unprovable
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


def details(checkpoint: Checkpoint[SortedListTransformer], device: str) -> Subject:
    """Everything that the report says of `checkpoint`, read from it, whatever claims were run."""
    kept = KEPT.of(checkpoint)
    return subject_of(checkpoint, device, kept, _proof(KEPT.model(kept) or checkpoint.model), SIZES)


def _proof(model: SortedListTransformer) -> Note:
    try:
        certificate = certificate_of(model)
    except Unprovable as error:
        return Note(f"Nothing is proved of every list: {error}", good=False)
    low, high = certificate.accuracy
    of_what = "" if certificate.known_of_float32 else ", in real arithmetic; float32 may overflow"
    return Note(
        f"Proved of all {certificate.answers:,} answers on all {certificate.lists:,} lists: between "
        f"{rounded_down(low, 4)} and {rounded_up(high, 4)} are right{of_what}",
        good=low > 0.5 and certificate.known_of_float32,
    )


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


def proved(model: SortedListTransformer) -> Proved | str:
    """What a sweep keeps of the verdict on every list, in words: no model of this task is right on all."""
    try:
        low, high = certificate_of(model).accuracy
    except Unprovable as error:
        return str(error)
    return f"accuracy over every list is proved to lie in [{rounded_down(low, 4)}, {rounded_up(high, 4)}]"
