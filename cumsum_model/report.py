"""What the report says of a checkpoint beside the verdicts: sizes, recipe, what is proved, and the weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_claims.drawing.figure import Figure, Illustrations
from pytest_claims.report.report import Report
from pytest_claims.subject import Note, Subject
from pytest_claims.universality.outcome import Proved

from cumsum_model.counterparts import cast_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import THOROUGH_BUDGET, Certificate, certify
from cumsum_model.proof.rounding import margin_error
from cumsum_model.proof.tables import Unprovable
from cumsum_model.sequence_box import sequence_box
from cumsum_model.task import TASK
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import Checkpoint
from toy_model.reporting import MATRIX_TITLE, Kept, matrix_figure, subject_of

if TYPE_CHECKING:
    from cumsum_model.proof.length import Length

MATRIX = ROOT / "docs" / "matrix.json"
"""Every claim on every mutant of the shipped checkpoint."""

MOST_STATES = 500
"""(position, value) pairs of a model that a report still draws and proves things of; the published one has 220."""

KEPT = Kept(TASK, MATRIX, largest=200_000, most_states=MOST_STATES)
"""What a report keeps of a model; the weights of the published one take 10,000 bytes."""

SIZES = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "n_ctx", "max_value")


def details(checkpoint: Checkpoint[CumsumTransformer], device: str) -> Subject:
    """Everything that the report says of `checkpoint`, read and proved from it, whatever claims were run."""
    kept = KEPT.of(checkpoint)
    note = _proof(stored_model(kept) or checkpoint.model)
    return subject_of(checkpoint, device, kept, note, SIZES, [("neurons", cast_of(checkpoint.model))])


@cache
def proof(model: CumsumTransformer) -> tuple[Certificate | None, str | None]:
    """What is proved of a model, or why nothing is."""
    cfg = model.cfg
    if cfg.n_ctx * cfg.d_vocab > MOST_STATES:
        return None, f"{cfg.n_ctx} positions of {cfg.d_vocab} values each are left to `python -m cumsum_model certify`"
    try:
        return certify(model), None
    except Unprovable as error:
        return None, str(error)


def stored_model(suite: Mapping[str, Any]) -> CumsumTransformer | None:
    """The model whose weights a report stores, None if it stores none. Raises CheckpointError if they are none."""
    return KEPT.model(suite)


def _proof(model: CumsumTransformer) -> Note:
    certificate, unproved = proof(model)
    if certificate is None:
        return Note(f"Nothing is proved of every sequence: {unproved}", good=False)
    cfg = model.cfg
    every = f"all {certificate.sequences:,} sequences of {cfg.n_ctx} values in -{cfg.max_value} .. {cfg.max_value}"
    margin = f"the smallest margin is {certificate.smallest_margin:+.4f} logits"
    if certificate.proved_right:
        rounding = margin_error(model)
        enough = certificate.smallest_margin > rounding
        float32 = "more than" if enough else "not more than"
        return Note(f"Proved right at every position of {every}: {margin}, {float32} float32 can add", good=enough)
    wrong = next((length for length in certificate.lengths if not length.right.all()), certificate.lengths[-1])
    return Note(f"Not proved right on {every}: {margin}; {_wrong(wrong, certificate)}", good=False)


def _wrong(length: Length, certificate: Certificate) -> str:
    low, high = length.answered_rightly
    fewest, most = length.sequences - high, length.sequences - low
    n_wrong = f"{fewest:,}" if fewest == most else f"between {fewest:,} and {most:,}"
    sentence = f"of length {length.n}, {n_wrong} of {length.sequences:,} are wrong"
    simplest = certificate.simplest_wrong
    return sentence + (f", and this one is: {' '.join(map(str, simplest))}" if simplest else "")


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
    matrix = matrix_figure(report)
    if matrix is not None:
        figures[MATRIX_TITLE] = [matrix]
    return Illustrations(figures, panels)


def proved(model: CumsumTransformer) -> Proved | str:
    """What a sweep keeps of the verdict on every sequence, counted thoroughly; or why there is none."""
    try:
        certificate = certify(model, budget=THOROUGH_BUDGET)
    except Unprovable as error:
        return str(error)
    wrong = certificate.simplest_wrong
    return Proved(
        sequences=certificate.sequences,
        right_at_end=certificate.lengths[-1].answered_rightly,
        right_everywhere=certificate.right_at_every_position,
        smallest_margin=certificate.smallest_margin,
        hardest=tuple(certificate.values(certificate.hardest.hardest[1])),
        wrong=None if wrong is None else tuple(wrong),
    )
