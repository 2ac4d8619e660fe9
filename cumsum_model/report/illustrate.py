"""The figures and the sequence box of a report, drawn from the weights that it stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_claims.drawing.figure import Illustrations
from pytest_claims.report.report import Report
from pytest_claims.text import short_name
from pytest_claims.verdict import LETTERS

from cumsum_model.report.details import proof, stored_matrix, stored_model
from cumsum_model.report.sequence_box import sequence_box

if TYPE_CHECKING:
    from cumsum_model.figures import Figure

BELONGS_TO = {
    "probabilities": "test_hard_inputs.py",
    "attention": "test_attention.py",
    "ov-circuit": "test_ov_circuit.py",
    "resid-mid": "test_residual_stream.py",
    "unembedding": "test_unembedding.py",
    "neurons": "test_neurons.py",
    "without-mlp": "test_without_mlp.py",
    "ablation-kinds": "test_ablation_kinds.py",
    "moving-along-u": "test_interventions.py",
    "worst-margin": "test_every_sequence.py",
    "within-class": "test_every_sequence.py",
}
"""The claims that each figure stands beside."""

MATRIX_TITLE = "Which claim notices which defect"


def illustrate(report: Report) -> Illustrations:
    """Figures and sequence box for the page of `report`.

    Raises CheckpointError or ReportError if what it stores for them is not what it should be.
    """
    from cumsum_model.figures import draw

    model = stored_model(report.subject.suite)
    figures: dict[str, list[Figure]] = {}
    panels = []
    if model is not None:
        certificate, unproved = proof(model)
        for figure in draw(model, certificate, unproved):
            figures.setdefault(BELONGS_TO[figure.name], []).append(figure)
        panels.append(sequence_box(model, certificate))
    matrix = _matrix(report)
    if matrix is not None:
        figures[MATRIX_TITLE] = [matrix]
    return Illustrations(figures, panels)


def _matrix(report: Report) -> Figure | None:
    """Every claim on every mutant where that is known of the checkpoint; else on the controls of this run."""
    from cumsum_model.figures import draw_matrix

    stored = stored_matrix(report.subject.suite)
    if stored is not None:
        claims, mutants, letters = stored
        return draw_matrix([short_name(claim) for claim in claims], mutants, letters)
    ran = {
        short_name(result.claim): {
            record.subject: LETTERS.get(record.verdict, "!") for record in result.controls if not record.erratum
        }
        for result in report.plain_claims
    }
    mutants = sorted({mutant for row in ran.values() for mutant in row})
    if not mutants:
        return None
    return draw_matrix(
        list(ran), mutants, ["".join(row.get(mutant, " ") for mutant in mutants) for row in ran.values()]
    )
