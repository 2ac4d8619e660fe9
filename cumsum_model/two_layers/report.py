"""What the report says of a model of two layers beside the verdicts."""

from __future__ import annotations

from dataclasses import replace

from pytest_claims.drawing.figure import Figure, Illustrations
from pytest_claims.report.report import Report
from pytest_claims.subject import Note, Subject

from cumsum_model.data import EVALUATION_SET, evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.report import KEPT as ONE_LAYER
from cumsum_model.report import SIZES
from cumsum_model.two_layers.system import SYSTEM
from toy_model.behaviour import behaviour
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import Checkpoint
from toy_model.reporting import MATRIX_TITLE, matrix_figure, subject_of

MATRIX = ROOT / "docs" / "matrix-cumsum-two-layers.json"
"""Every claim on every mutant of the shipped checkpoint."""

KEPT = replace(ONE_LAYER, task=SYSTEM, matrix=MATRIX)


def details(checkpoint: Checkpoint[CumsumTransformer], device: str) -> Subject:
    """Everything that the report says of `checkpoint`, whatever claims were run."""
    model = checkpoint.model
    try:
        measured = behaviour(model, evaluation_set(model.cfg.max_value, model.cfg.n_ctx))
    except ValueError as error:  # logits that are not finite
        note = Note(f"Nothing can be measured: {error}", good=False)
    else:
        note = Note(
            f"Nothing is proved of every sequence: the proof is of one layer. On {EVALUATION_SET} the accuracy is "
            f"{measured.accuracy:.4%} and the cross entropy {measured.cross_entropy:.4f} nats",
            good=False,
        )
    return subject_of(checkpoint, device, KEPT.of(checkpoint), note, SIZES)


def illustrate(report: Report) -> Illustrations:
    """The table of claims and broken models, for the page of `report`."""
    figures: dict[str, list[Figure]] = {}
    matrix = matrix_figure(report)
    if matrix is not None:
        figures[MATRIX_TITLE] = [matrix]
    return Illustrations(figures, [])
