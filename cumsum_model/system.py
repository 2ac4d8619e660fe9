"""November as sweeps, commands and claims see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cumsum_model.task import TASK
from toy_model.system import System

if TYPE_CHECKING:
    from pytest_claims import Control, Illustrations, Report, Subject
    from pytest_claims.universality.outcome import Proved

    from cumsum_model.model import CumsumTransformer
    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.checkpoint.misreading import Misreading


def _inspected(
    checkpoint: Checkpoint[CumsumTransformer], misreading: Misreading | None
) -> tuple[list[str], dict[str, Any]]:
    from cumsum_model.inspection import as_json, as_text, inspected

    inspection = inspected(checkpoint, misreading)
    return as_text(inspection), as_json(inspection)


def _details(checkpoint: Checkpoint[CumsumTransformer], device: str) -> Subject:
    from cumsum_model.report import details

    return details(checkpoint, device)


def _illustrate(report: Report) -> Illustrations:
    from cumsum_model.report import illustrate

    return illustrate(report)


def _mutants() -> dict[str, tuple[Control, ...]]:
    from cumsum_model import mutants

    return {kind: getattr(mutants, kind) for kind in ("BREAKING", "HIDDEN", "SYMMETRIES", "IDEALS")}


def _prove(model: CumsumTransformer) -> Proved | str:
    from cumsum_model.report import proved

    return proved(model)


SYSTEM: System[CumsumTransformer] = System(
    **vars(TASK),
    inspected=_inspected,
    details=_details,
    illustrate=_illustrate,
    mutants=_mutants,
    prove=_prove,
)
