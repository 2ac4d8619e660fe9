"""Claims that would prove nothing are refused when they are collected, each with what to do about it."""

import pytest
from one_file import HOLDS


def test_a_claim_without_a_control_is_refused_with_advice(run_claims):
    result = run_claims(HOLDS.replace("(widen_gap)", "()"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        ["*test_gap has no control, so nothing shows that it can fail*refused_by=*".replace("refused", "refuted")]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("(widen_gap)", "(widen_gap, widen_gap)"), "names a control twice"),
        (("(widen_gap)", "(lambda model: model)"), "has a control without a name"),
        (("(model, measure)", "(checkpoint, measure)"), "does not take `model`"),
    ],
)
def test_a_claim_that_proves_nothing_is_refused(run_claims, change, complaint):
    result = run_claims(HOLDS.replace(*change))
    assert result.ret != 0
    result.stdout.fnmatch_lines([f"*{complaint}*"])


def test_a_test_among_the_claims_that_is_no_claim_is_refused(run_claims, pytester):
    pytester.makeini("[pytest]\nclaims_paths = .")
    result = run_claims(HOLDS + "\n    def test_plain():\n        pass\n")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_plain is not a claim: decorate it with @claim or @timing"])


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (HOLDS.replace("test_gap", "gap_is_small"), "gap_is_small is a claim, but pytest only runs functions named"),
        (
            "\n    class Claims:" + HOLDS.replace("\n    ", "\n        ").replace("(model", "(self, model"),
            "holds claims",
        ),
        (
            "\n    import unittest\n    class TestX(unittest.TestCase):\n        def test_x(self): pass\n",
            "is a unittest",
        ),
    ],
)
def test_claims_that_pytest_would_not_run_are_refused(run_claims, pytester, body, complaint):
    pytester.makeini("[pytest]\nclaims_paths = .")
    result = run_claims(body)
    assert result.ret != 0
    result.stdout.fnmatch_lines([f"*{complaint}*"])


@pytest.mark.parametrize("statement", ["''", "None", "3"])
def test_a_claim_without_words_is_refused(run_claims, statement):
    result = run_claims(
        f"""
    @claim({statement}, source="us", over="everything", refuted_by=widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"]) < 1
    """
    )
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_gap has a statement that is no text*"])
