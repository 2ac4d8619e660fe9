"""Claims about a trained model that can fail: each is a pytest test, and is shown to fail on broken models.

A suite says in its `conftest.py` how its model is loaded, and writes claims:

    def pytest_claims_load(path, device):
        return load(path or "model.pt")

    @claim("The head averages", source="..", over="every sequence", refuted_by=[attend_to_last])
    def test_attention_is_uniform(model, measure):
        assert measure("largest |pattern - 1/n|", uniformity_gap(model)) < 1e-3

`model` is the checkpoint in one run and each control in the others.
"""

from typing import TYPE_CHECKING, Any

from pytest_claims.claim import CannotBeMade, Control, Evidence, Role, claim, erratum, timing
from pytest_claims.controls import untrained
from pytest_claims.drawing.figure import Figure, Illustrations, Panel
from pytest_claims.measure import MeasurementError
from pytest_claims.plugin import short_options
from pytest_claims.subject import Note, Subject

if TYPE_CHECKING:
    from pytest_claims.notebook import verify
    from pytest_claims.report.report import Report

__all__ = [
    "CannotBeMade",
    "Control",
    "Evidence",
    "Figure",
    "Illustrations",
    "MeasurementError",
    "Note",
    "Panel",
    "Report",
    "Role",
    "Subject",
    "claim",
    "erratum",
    "short_options",
    "timing",
    "untrained",
    "verify",
]


def __getattr__(name: str) -> Any:
    """What takes time to import, and no run of claims needs to be collected."""
    if name == "Report":
        from pytest_claims.report.report import Report

        return Report
    if name == "verify":
        from pytest_claims.notebook import verify

        return verify
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
