"""Subtests of a claim: one that fails is never a claim that holds."""

import pytest

ASSERTS = """
@stated()
def test_gap(model, measure, subtests):
    with subtests.test("first"):
        assert measure("gap", model["gap"]) < {first}
    with subtests.test("second"):
        assert measure("mean", model["mean"]) < {second}
    {after}
"""


@pytest.fixture
def judged(suite):
    def judged(*options, first=1, second=2, after="pass", refuted_by=None):
        body = ASSERTS.format(first=first, second=second, after=after)
        suite.claims(body.replace("@stated()", f"@stated(refuted_by={refuted_by})") if refuted_by else body)
        result = suite.run("--claims-report=report", *options, plugins=("claims", "xdist"))
        return result, suite.verdicts()["test_gap"]

    return judged


def test_a_claim_all_of_whose_subtests_pass_holds(judged):
    result, verdicts = judged(refuted_by="[widen, shift]")
    assert result.ret == 0
    assert verdicts == ["holds", "refuted", "refuted"]


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two"])
@pytest.mark.parametrize("bounds", [{"first": 0.1}, {"second": 0.1}, {"first": 0.1, "second": 0.1}], ids=str)
def test_a_subtest_that_a_measurement_fails_refutes_the_claim(judged, bounds, options):
    result, verdicts = judged(*options, **bounds)
    assert result.ret == 1
    assert verdicts == ["refuted", "refuted"]


def test_a_subtest_that_crashes_is_an_error(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, measure, subtests):
            with subtests.test("crashes"):
                raise ValueError("no such head")
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts()["test_gap"][0] == "error"


def test_a_subtest_that_fails_for_another_reason_is_an_error(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, measure, subtests):
            with subtests.test("compares nothing measured"):
                assert model["mean"] == 3
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts()["test_gap"][0] == "error"


def test_a_claim_that_fails_after_a_subtest_did_is_not_green(judged):
    result, verdicts = judged(first=0.1, after="raise ValueError('later')")
    assert result.ret == 1
    assert verdicts[0] in ("refuted", "error")


def test_a_subtest_that_is_skipped_measures_nothing(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, measure, subtests):
            with subtests.test("skipped"):
                pytest.skip("not here")
                assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts()["test_gap"] == ["error", "error"]
