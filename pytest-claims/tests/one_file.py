"""Claims in one file, for tests of what becomes of them: the fixture `run_claims` in conftest.py runs them."""

import re

CONFTEST = """
import pytest_claims

def pytest_addoption(parser):
    pytest_claims.short_options(parser)

def pytest_claims_load():
    return {"gap": 0.25}
"""

HEADER = """
    import math
    import pytest
    from pytest_claims import claim

    def widen_gap(model):
        return {"gap": 4.0}

    def leave_alone(model):
        return dict(model)

    def crash(model):
        raise RuntimeError("no such mechanism")

    def return_garbage(model):
        return {}

    def stated(*controls, **options):
        return claim("The gap is small", source="us", over="everything", refuted_by=controls, **options)
"""

HOLDS = """
    @stated(widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"], "m") < 1
"""
REFUTED = HOLDS.replace("< 1", "< 0.1, 'the gap is wide'")
SURVIVED = HOLDS.replace("(widen_gap)", "(widen_gap, leave_alone)")
SEVERAL = HOLDS + "".join(
    HOLDS.replace("test_gap", f"test_{i}").replace('"gap", model', f'"gap {i}", model') for i in range(3)
)

TWO_GAPS = """
    def widen_both(model):
        return {"gap": 4.0, "second": 4.0}

    def widen_second(model):
        return {"gap": 0.25, "second": 4.0}

    @stated(CONTROLS)
    def test_gaps(model, measure):
        assert measure("gap", model["gap"]) < 1
        assert measure("second gap", model.get("second", 0.25)) < 1
"""
HOLE = TWO_GAPS.replace("CONTROLS", "widen_second")
SHOWN = TWO_GAPS.replace("CONTROLS", "widen_both")

NOT_OF_THIS_MODEL = """
    class NotOfThisModel(ValueError):
        cannot_be_made = True

    def widen_a_second_gap(model):
        raise NotOfThisModel("there is no second gap")

    def widen_a_third_gap(model):
        raise NotOfThisModel("there is no third gap")
"""


def summary(result):
    """The line that sums up the report."""
    return next(line for line in reversed(result.outlines) if re.match(r"\d+ claims?: ", line))
