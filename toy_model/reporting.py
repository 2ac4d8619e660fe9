"""What reports of every system have in common: what they say of a checkpoint, and what they store to be drawn again."""

from __future__ import annotations

import base64
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Generic

from pytest_claims.drawing.figure import Figure
from pytest_claims.output.json import ReportError
from pytest_claims.report.report import Report
from pytest_claims.subject import Note, Subject
from pytest_claims.text import LONGEST_TEXT, short_name
from pytest_claims.verdict import LETTERS

from toy_model.architectures import in_words
from toy_model.checkpoint.card import provenance
from toy_model.checkpoint.checkpoint import Checkpoint, CheckpointError, parse_model, serialised
from toy_model.task import M, Task

PACKAGES = ("cumsum-model", "torch", "transformer-lens", "numpy", "hypothesis", "pytest")

MOST_CELLS = 200_000
"""Of a table of claims and mutants that a report stores."""

MATRIX_TITLE = "Which claim notices which defect"


@dataclass(frozen=True, eq=False)
class Kept(Generic[M]):
    """What a report keeps of a model of `task`, beside what is said of it, so that its page can be made again.

    matrix       the file with every claim on every mutant of the shipped checkpoint
    largest      bytes of weights that are stored in a report
    most_states  (position, token) pairs of a model that a report still draws
    """

    task: Task[M]
    matrix: Path
    largest: int
    most_states: int

    def of(self, checkpoint: Checkpoint[M]) -> dict[str, Any]:
        """The weights, unless the model is too large for a page, and the table of mutants, if it was made of them."""
        content = serialised(checkpoint.model)
        kept: dict[str, Any] = {}
        if self._is_drawn(checkpoint.model, content):
            kept["weights"] = _in_pieces(base64.b64encode(content).decode())
        matrix = self._matrix(checkpoint.sha256)
        if matrix is not None and checkpoint.order is None:  # the same bytes, yet another model
            kept["matrix"] = matrix
        return kept

    def model(self, suite: Mapping[str, Any]) -> M | None:
        """The model whose weights a report keeps, None if it keeps none. Raises CheckpointError if they are none.

        The same object for the same weights, so that what is computed of it is computed once.
        """
        weights = suite.get("weights")
        if weights is None:
            return None
        pieces = weights if isinstance(weights, list) else [weights]
        if not all(isinstance(piece, str) for piece in pieces):
            raise CheckpointError("the stored weights are not base64")
        return _model_of(self, "".join(pieces))

    def parse(self, weights: str) -> M:
        """The model of weights in base64. Raises CheckpointError."""
        try:
            content = base64.b64decode(weights, validate=True)
        except ValueError:
            raise CheckpointError("the stored weights are not base64") from None
        if len(content) > self.largest:
            raise CheckpointError("the stored weights are larger than those of any model that is drawn")
        model = parse_model(content, "the stored weights", self.task)
        if not self._is_drawn(model, content):
            raise CheckpointError("the stored weights are of a larger model than is drawn")
        return model

    def _is_drawn(self, model: M, content: bytes) -> bool:
        """Whether a report shows figures of a model, and lets one try inputs on it: it takes seconds, and some kB."""
        return len(content) <= self.largest and model.cfg.n_ctx * model.cfg.d_vocab <= self.most_states

    def _matrix(self, sha256: str) -> dict[str, list[str]] | None:
        """The table of every claim on every mutant, if it was made of this checkpoint."""
        if not self.matrix.is_file():
            return None
        table = json.loads(self.matrix.read_text())
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


def _in_pieces(text: str) -> str | list[str]:
    """A text, or its pieces where it is longer than what a report keeps of one."""
    pieces = [text[start : start + LONGEST_TEXT] for start in range(0, len(text), LONGEST_TEXT)]
    return pieces if len(pieces) > 1 else text


@cache
def _model_of(kept: Kept[M], weights: str) -> M:
    return kept.parse(weights)


def subject_of(
    checkpoint: Checkpoint[M],
    device: str,
    kept: Mapping[str, Any],
    note: Note,
    sizes: Sequence[str],
    more: Sequence[tuple[str, str]] = (),
) -> Subject:
    """What a report says of a checkpoint: what there is to say of every one, and a note and more facts of its own.

    kept   what the report keeps of it
    sizes  the names of those that are said
    """
    model = checkpoint.model
    n_parameters = sum(tensor.numel() for tensor in model.state_dict().values())
    facts = [
        ("file", "; ".join((checkpoint.read_as, *checkpoint.notes))),
        ("taken for granted", f"{in_words(model)}: no file of weights says so"),
        ("sizes", ", ".join(f"{name} {getattr(model.cfg, name)}" for name in sizes)),
        ("parameters", f"{n_parameters:,}"),
        ("trained by", provenance(checkpoint.card)),
        *more,
    ]
    if "weights" not in kept:
        facts.append(("figures", "left out: the model is too large for a page"))
    versions = [(package, _version(package)) for package in PACKAGES]
    return Subject(
        path=os.path.relpath(checkpoint.path),
        sha256=checkpoint.sha256,
        facts=tuple(facts),
        notes=(note,),
        environment=(("python", platform.python_version()), *versions, ("device", device)),
        suite=dict(kept),
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


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
    if not fits or set("".join(letters)) - set("X.! ") or len(claims) * len(mutants) > MOST_CELLS:
        raise ReportError("the stored table of claims and mutants does not fit its names")
    return claims, mutants, letters


def matrix_figure(report: Report) -> Figure | None:
    """Every claim on every mutant where that is known of the checkpoint; else on the controls of this run."""
    from pytest_claims.drawing.matrix import draw_matrix

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
