"""What the report says of a checkpoint beside the verdicts: sizes, recipe, what is proved, and the weights."""

from __future__ import annotations

import base64
import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pytest_claims.drawing.figure import Figure, Illustrations
from pytest_claims.output.json import ReportError
from pytest_claims.report.report import Report
from pytest_claims.subject import Note, Subject
from pytest_claims.text import short_name
from pytest_claims.universality.outcome import Proved
from pytest_claims.verdict import LETTERS

from cumsum_model.counterparts import cast_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import THOROUGH_BUDGET, Certificate, certify
from cumsum_model.proof.rounding import margin_error
from cumsum_model.proof.tables import Unprovable
from cumsum_model.sequence_box import sequence_box
from cumsum_model.task import TASK
from toy_model.architectures import in_words
from toy_model.checkout import ROOT
from toy_model.checkpoint.card import provenance
from toy_model.checkpoint.checkpoint import Checkpoint, CheckpointError, parse_model, serialised

if TYPE_CHECKING:
    from cumsum_model.proof.certificate import Length

MATRIX = ROOT / "docs" / "matrix.json"
"""Every claim on every mutant of the shipped checkpoint."""

LARGEST = 200_000
"""Bytes of weights that are stored in a report; the published model takes 10,000."""

MOST_STATES = 500
"""(position, value) pairs of a model that a report still draws and proves things of; the published one has 220."""

PACKAGES = ("cumsum-model", "torch", "transformer-lens", "numpy", "hypothesis", "pytest")


def details(checkpoint: Checkpoint[CumsumTransformer], device: str) -> Subject:
    """Everything that the report says of `checkpoint`, read and proved from it, whatever claims were run."""
    cfg = checkpoint.model.cfg
    stored = _stored(checkpoint)
    sizes = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "n_ctx", "max_value")
    n_parameters = sum(tensor.numel() for tensor in checkpoint.model.state_dict().values())
    facts = [
        ("file", "; ".join((checkpoint.read_as, *checkpoint.notes))),
        ("taken for granted", f"{in_words(checkpoint.model)}: no file of weights says so"),
        ("sizes", ", ".join(f"{name} {getattr(cfg, name)}" for name in sizes)),
        ("parameters", f"{n_parameters:,}"),
        ("trained by", provenance(checkpoint.card)),
        ("neurons", cast_of(checkpoint.model)),
    ]
    if "weights" not in stored:
        facts.append(("figures", "left out: the model is too large for a page"))
    versions = [(package, _version(package)) for package in PACKAGES]
    return Subject(
        path=os.path.relpath(checkpoint.path),
        sha256=checkpoint.sha256,
        facts=tuple(facts),
        notes=(_proof(stored_model(stored) or checkpoint.model),),
        environment=(("python", platform.python_version()), *versions, ("device", device)),
        suite=stored,
    )


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
    weights = suite.get("weights")
    if weights is None:
        return None
    if not isinstance(weights, str):
        raise CheckpointError("the stored weights are not base64")
    return _model_of(weights)


@cache
def _model_of(weights: str) -> CumsumTransformer:
    """The same object for the same weights, so that what is proved of it is proved once."""
    try:
        content = base64.b64decode(weights, validate=True)
    except ValueError:
        raise CheckpointError("the stored weights are not base64") from None
    if len(content) > LARGEST:
        raise CheckpointError("the stored weights are larger than those of any model that is drawn")
    model = parse_model(content, "the stored weights", TASK)
    if not _is_drawn(model, content):
        raise CheckpointError("the stored weights are of a larger model than is drawn")
    return model


def _is_drawn(model: CumsumTransformer, content: bytes) -> bool:
    """Whether a report shows figures of a model, and lets one try sequences on it: it takes seconds, and some kB."""
    return len(content) <= LARGEST and model.cfg.n_ctx * model.cfg.d_vocab <= MOST_STATES


def stored_matrix(suite: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]] | None:
    """Claims, mutants and a row of letters for each claim, None if a report stores none. Raises ReportError."""
    matrix = suite.get("matrix")
    if matrix is None:
        return None
    table = matrix if isinstance(matrix, Mapping) else {}
    parts: list[Any] = [table.get(name) for name in ("claims", "mutants", "letters")]
    if not all(isinstance(part, list) and all(isinstance(text, str) for text in part) for part in parts):
        raise ReportError("the stored table of claims and mutants is none")
    claims, mutants, letters = parts
    fits = len(letters) == len(claims) and all(len(row) == len(mutants) for row in letters)
    if not fits or set("".join(letters)) - set("X.! ") or len(claims) * len(mutants) > LARGEST:
        raise ReportError("the stored table of claims and mutants does not fit its names")
    return claims, mutants, letters


def _stored(checkpoint: Checkpoint[CumsumTransformer]) -> dict[str, Any]:
    content = serialised(checkpoint.model)
    stored: dict[str, Any] = {}
    if _is_drawn(checkpoint.model, content):
        stored["weights"] = base64.b64encode(content).decode()
    matrix = _matrix(checkpoint.sha256)
    if matrix is not None and checkpoint.order is None:  # the same bytes, yet another model
        stored["matrix"] = matrix
    return stored


def _matrix(sha256: str) -> dict[str, list[str]] | None:
    """The table of every claim on every mutant, if it was made of this checkpoint."""
    if not MATRIX.is_file():
        return None
    table = json.loads(MATRIX.read_text())
    if f"sha256 {sha256[:12]}" not in table["subject"]:
        return None
    letters = {"refuted": "X", "survived": ".", "not about this model": " "}
    return {
        "claims": list(table["claims"]),
        "mutants": table["mutants"],
        "letters": [
            "".join(letters.get(row.get(mutant), "!") for mutant in table["mutants"])
            for row in table["claims"].values()
        ],
    }


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


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


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
    matrix = _matrix_figure(report)
    if matrix is not None:
        figures[MATRIX_TITLE] = [matrix]
    return Illustrations(figures, panels)


def _matrix_figure(report: Report) -> Figure | None:
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
