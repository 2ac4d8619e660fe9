"""October as sweeps, commands and claims see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sorted_list_model.task import TASK
from toy_model.system import System

if TYPE_CHECKING:
    from pytest_claims import Control, Illustrations, Report, Subject
    from pytest_claims.universality.outcome import Proved

    from sorted_list_model.model import SortedListTransformer
    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.checkpoint.misreading import Misreading


def _inspected(
    checkpoint: Checkpoint[SortedListTransformer], misreading: Misreading | None
) -> tuple[list[str], dict[str, Any]]:
    from sorted_list_model.inspection import as_json, as_text, inspected

    inspection = inspected(checkpoint, misreading)
    return as_text(inspection), as_json(inspection)


def _details(checkpoint: Checkpoint[SortedListTransformer], device: str) -> Subject:
    from sorted_list_model.report import details

    return details(checkpoint, device)


def _illustrate(report: Report) -> Illustrations:
    from sorted_list_model.report import illustrate

    return illustrate(report)


def _mutants() -> dict[str, tuple[Control, ...]]:
    from sorted_list_model import mutants

    return {kind: getattr(mutants, kind) for kind in ("BREAKING", "HIDDEN", "SYMMETRIES", "IDEALS")}


def _prove(model: SortedListTransformer) -> Proved | str:
    from sorted_list_model.report import proved

    return proved(model)


SYSTEM: System[SortedListTransformer] = System(
    **vars(TASK),
    inspected=_inspected,
    details=_details,
    illustrate=_illustrate,
    mutants=_mutants,
    prove=_prove,
)
