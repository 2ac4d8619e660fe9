"""Results of claims as a report tells them, for tests that compare two reports."""

from pytest_claims.measure import Judgement, Measurement
from pytest_claims.results import ClaimResult, Record
from pytest_claims.verdict import Verdict


def claim(name="gap", verdict=Verdict.HOLDS, slack=1.0, controls=("widen",), **fields):
    """A claim with one measurement, of which each control is refuted."""
    fields = {"source_id": "same", "reason": "", **fields}
    shared = {"claim": f"test_it.py::test_{name}", "section": "", "statement": f"The {name} is small"}
    judgement = Judgement("<", "1", holds=slack >= 0, slack=slack)
    measured = [Measurement(fields.pop("measured", name), 1 - slack, comparisons=[judgement])]
    checkpoint = Record(
        f"test_{name}[checkpoint]", subject="checkpoint", verdict=verdict, measurements=measured, **shared, **fields
    )
    others = [Record(f"test_{name}[{c}]", subject=c, verdict=Verdict.REFUTED, **shared) for c in controls]
    return ClaimResult(shared["claim"], checkpoint, others)
